// LD_PRELOAD shim: fdatasync of a write-ahead log fails with EIO once the file named by FAIL_SYNC exists.
//   cc -shared -fPIC -O2 -o failing-sync.so failing-sync.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int fd) {
  char link[64], path[4096];
  const char *trigger = getenv("FAIL_SYNC");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  size_t length = strlen(path);
  if (trigger && access(trigger, F_OK) == 0 && length > 4 && !strcmp(path + length - 4, "-wal")) {
    errno = EIO;
    return -1;
  }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
