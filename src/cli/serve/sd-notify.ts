import { dlopen, ptr } from "bun:ffi";

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;

const LIBC = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/**
 * Tells systemd a state (`READY=1`, `STOPPING=1`), in one datagram from our own pid, so that NotifyAccess=main is
 * enough. False where nobody listens. By libc, since the runtime has no datagram sockets of this family.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */
export function sdNotify(state: string, socketPath = process.env.NOTIFY_SOCKET): boolean {
  if (!socketPath || process.platform !== "linux") return false;
  const { symbols: libc, close } = openLibc();
  try {
    const name = Buffer.from(socketPath);
    const isAbstract = socketPath.startsWith("@");
    const address = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1)); // struct sockaddr_un
    address.writeUInt16LE(AF_UNIX, 0);
    name.copy(address, 2);
    if (isAbstract) address[2] = 0;
    const message = Buffer.from(state);
    const socket = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (socket < 0) return false;
    const sent = libc.sendto(
      socket,
      ptr(message),
      message.length,
      MSG_NOSIGNAL,
      ptr(address),
      address.length,
    );
    libc.close(socket);
    return Number(sent) === message.length;
  } finally {
    close();
  }
}

function openLibc() {
  const symbols = {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  } as const;
  try {
    return dlopen(LIBC[0]!, symbols);
  } catch {
    return dlopen(LIBC[1]!, symbols);
  }
}
