import { type LoadedFfi, loadFfi } from './load-ffi.ts'

/** Sends one message to a service manager. False: it did not take it. Never waits, never throws. */
export type NotifyServiceManager = (message: string) => boolean

const AF_UNIX = 1
/** SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC; see socket-calls.ts. */
const DATAGRAM = 2 | 0o4000 | 0o2_000_000
/** sun_path of struct sockaddr_un. */
const MAX_PATH_BYTES = 108
const MSG_NOSIGNAL = 0x4000

/**
 * How systemd is notified of what becomes of a service (sd_notify(3)): datagrams to the socket that
 * NOTIFY_SOCKET names, for which Node has no call. Undefined: the service is not of `Type=notify`, or there
 * are no native calls.
 */
export function serviceNotification(
  path: string | undefined,
  found: () => LoadedFfi = loadFfi,
): NotifyServiceManager | undefined {
  if (path === undefined || !/^[/@]/.test(path)) return undefined
  const name = Buffer.from(path)
  if (name.length >= MAX_PATH_BYTES) return undefined
  const loaded = found()
  if ('unavailable' in loaded) return undefined
  try {
    const libc = loaded.ffi.load(null)
    const socket = libc.func('int socket(int family, int type, int protocol)')
    const send = libc.func(
      'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t size)',
    )
    const close = libc.func('int close(int fd)')
    if (name[0] === '@'.charCodeAt(0)) name[0] = 0 // an abstract name begins with a zero byte (unix(7))
    const address = Buffer.concat([Buffer.alloc(2), name])
    new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX
    return message => {
      const fd = socket(AF_UNIX, DATAGRAM, 0) as number // as: the prototype returns int
      if (fd < 0) return false
      const bytes = Buffer.from(message)
      const sent = send(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length) as number // likewise
      close(fd)
      return sent === bytes.length
    }
  } catch {
    return undefined
  }
}
