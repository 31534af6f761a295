// LD_PRELOAD shim: while the file named by READ_ONLY exists, SQLite's files behave as on a file system that the
// kernel made read-only after an error: what is open stays open, and writes fail with EROFS. (By hand, no file
// system can be remounted read-only while a file on it is open for writing.)
//   cc -shared -fPIC -O2 -o read-only.so read-only.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refused(int fd) {
  char link[64], path[4096];
  const char *trigger = getenv("READ_ONLY");
  if (!trigger || access(trigger, F_OK) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  if (!strstr(path, "qeetid.db")) return 0;
  errno = EROFS;
  return 1;
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))
typedef ssize_t (*write_at)(int, const void *, size_t, off64_t);

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  return refused(fd) ? -1 : REAL("pwrite64", write_at)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  return refused(fd) ? -1 : REAL("pwrite64", write_at)(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
  return refused(fd) ? -1 : REAL("write", ssize_t (*)(int, const void *, size_t))(fd, data, size);
}
int ftruncate(int fd, off_t size) {
  return refused(fd) ? -1 : REAL("ftruncate64", int (*)(int, off64_t))(fd, size);
}
int ftruncate64(int fd, off64_t size) {
  return refused(fd) ? -1 : REAL("ftruncate64", int (*)(int, off64_t))(fd, size);
}
