import { getSystemErrorName } from 'node:util'
import { type LoadedFfi, loadFfi } from './load-ffi.ts'

/** An IP address and a port; port 0 takes a free one. */
export interface SocketAddress {
  readonly host: string
  readonly port: number
}

type OpenedSocket = { readonly fd: number; readonly port: number } | { readonly errno: number }

/**
 * Listening sockets that this process opens and never accepts from: a server of Node's cannot exist without
 * accepting. They are handed to child processes, and what waits in their queues outlives any of these.
 */
export interface ListeningSocketCalls {
  /**
   * A TCP socket that listens. `sharesPort`: others of the same user may listen on the address too, and the
   * kernel spreads connections over them (SO_REUSEPORT, socket(7)).
   */
  open(family: 4 | 6, address: SocketAddress, sharesPort: boolean): OpenedSocket
  /** A Unix socket that listens at a path, where no file may be. Linux has 108 bytes for it. */
  openUnix(path: string): { readonly fd: number } | { readonly errno: number }
  /** Of a descriptor that was inherited. Undefined: it is no Unix socket that listens at a path. */
  unixPathOf(fd: number): string | undefined
  /** Of a descriptor that was inherited. Undefined: it is no socket that listens on TCP. */
  addressOf(fd: number): SocketAddress | undefined
  /** A bound UDP socket. `sharesPort`: others may bind the address too, numbered as they come. */
  openDatagram(family: 4 | 6, address: SocketAddress, sharesPort: boolean): OpenedSocket
  /** Likewise. Undefined: it is no UDP socket that is bound. */
  datagramAddressOf(fd: number): SocketAddress | undefined
  /**
   * Which of the sockets of its address gets a datagram: a program of struct sock_filter
   * (SO_ATTACH_REUSEPORT_CBPF, socket(7)) in place of the one before. Answers with an errno, 0 when it is
   * done.
   */
  steer(fd: number, program: Buffer): number
  close(fd: number): void
}

export type LoadedListeningCalls = { readonly calls: ListeningSocketCalls } | { readonly unavailable: string }

const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
/** SOCK_NONBLOCK | SOCK_CLOEXEC; see socket-calls.ts. */
const AS_LIBUV = 0o4000 | 0o2_000_000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_TYPE = 3
const SO_REUSEPORT = 15
const SO_ATTACH_REUSEPORT_CBPF = 51
/** struct sock_fprog: a count, and a pointer to instructions of eight bytes. */
const PROGRAM_BYTES = 16
const INSTRUCTION_BYTES = 8
const SO_ACCEPTCONN = 30
/** What Node gives to listen(2); the kernel caps it at net.core.somaxconn. */
const BACKLOG = 511
const ADDRESS_BYTES = 28
/** struct sockaddr_un: a family and a path with a zero behind it. */
const UNIX_ADDRESS_BYTES = 110

/** The calls of this machine, or why there are none. Never throws. */
export function listeningSocketCalls(found: LoadedFfi = loadFfi()): LoadedListeningCalls {
  if ('unavailable' in found) return found
  const { ffi } = found
  try {
    const libc = ffi.load(null)
    const socket = libc.func('int socket(int family, int type, int protocol)')
    const setOption = libc.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
    )
    const getOption = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)')
    const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
    const listen = libc.func('int listen(int fd, int backlog)')
    const getName = libc.func('int getsockname(int fd, void *address, void *length)')
    const close = libc.func('int close(int fd)')
    const one = Int32Array.of(1)

    const addressOf = (fd: number): SocketAddress | undefined => {
      const bytes = Buffer.alloc(ADDRESS_BYTES)
      const length = Uint32Array.of(ADDRESS_BYTES)
      return getName(fd, bytes, length) === 0 ? parsedAddress(bytes) : undefined
    }
    const opened = (
      type: number,
      family: 4 | 6,
      address: SocketAddress,
      isReady: (fd: number, name: Buffer) => boolean,
    ): OpenedSocket => {
      const fd = socket(family === 6 ? AF_INET6 : AF_INET, type | AS_LIBUV, 0) as number // int in C
      if (fd < 0) return { errno: ffi.errno() }
      if (isReady(fd, encodedAddress(family, address)))
        return { fd, port: addressOf(fd)?.port ?? address.port }
      const errno = ffi.errno()
      close(fd)
      return { errno }
    }
    const isSet = (fd: number, option: number): boolean => setOption(fd, SOL_SOCKET, option, one, 4) === 0
    const valueOf = (fd: number, option: number): number | undefined => {
      const value = new Int32Array(1)
      return getOption(fd, SOL_SOCKET, option, value, Uint32Array.of(4)) === 0 ? value[0] : undefined
    }
    const calls: ListeningSocketCalls = {
      open: (family, address, sharesPort) =>
        opened(
          SOCK_STREAM,
          family,
          address,
          (fd, name) =>
            isSet(fd, SO_REUSEADDR) &&
            (!sharesPort || isSet(fd, SO_REUSEPORT)) &&
            bind(fd, name, name.length) === 0 &&
            listen(fd, BACKLOG) === 0,
        ),
      openUnix(path) {
        const name = encodedUnixAddress(path)
        if (name === undefined) return { errno: ENAMETOOLONG }
        const fd = socket(AF_UNIX, SOCK_STREAM | AS_LIBUV, 0) as number // int in C
        if (fd < 0) return { errno: ffi.errno() }
        if (bind(fd, name, name.length) === 0 && listen(fd, BACKLOG) === 0) return { fd }
        const errno = ffi.errno()
        close(fd)
        return { errno }
      },
      unixPathOf(fd) {
        if (valueOf(fd, SO_ACCEPTCONN) !== 1) return undefined
        const bytes = Buffer.alloc(UNIX_ADDRESS_BYTES)
        const length = Uint32Array.of(UNIX_ADDRESS_BYTES)
        if (getName(fd, bytes, length) !== 0) return undefined
        if (new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] !== AF_UNIX) return undefined
        // An abstract one begins with a zero.
        const path = bytes.toString('utf8', 2, length[0]).split('\0', 1)[0] ?? ''
        return path === '' ? undefined : path
      },
      addressOf: fd => (valueOf(fd, SO_ACCEPTCONN) === 1 ? addressOf(fd) : undefined),
      openDatagram: (family, address, sharesPort) =>
        opened(
          SOCK_DGRAM,
          family,
          address,
          (fd, name) => (!sharesPort || isSet(fd, SO_REUSEPORT)) && bind(fd, name, name.length) === 0,
        ),
      datagramAddressOf: fd => (valueOf(fd, SO_TYPE) === SOCK_DGRAM ? addressOf(fd) : undefined),
      steer(fd, program) {
        const at = ffi.address?.(program)
        if (at === undefined) return ENOSYS
        const described = Buffer.alloc(PROGRAM_BYTES)
        const view = new DataView(described.buffer, described.byteOffset, PROGRAM_BYTES)
        view.setUint16(0, program.length / INSTRUCTION_BYTES, IS_LITTLE_ENDIAN)
        view.setBigUint64(8, at, IS_LITTLE_ENDIAN)
        const result = setOption(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, described, PROGRAM_BYTES)
        return result === 0 ? 0 : ffi.errno()
      },
      close: fd => void close(fd),
    }
    return { calls }
  } catch (error) {
    return {
      unavailable: `the C library lacks a call: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

const ENAMETOOLONG = 36
const ENOSYS = 38
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** `EADDRINUSE` of 98. */
export function errnoName(errno: number): string {
  return getSystemErrorName(-errno)
}

/** struct sockaddr_in, sockaddr_in6: the family in host byte order, the port in network byte order. */
function encodedAddress(family: 4 | 6, { host, port }: SocketAddress): Buffer {
  const bytes = Buffer.alloc(family === 6 ? ADDRESS_BYTES : 16)
  new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] = family === 6 ? AF_INET6 : AF_INET
  bytes.writeUInt16BE(port, 2)
  if (family === 6) ipv6Bytes(host).copy(bytes, 8)
  else Buffer.from(host.split('.').map(Number)).copy(bytes, 4)
  return bytes
}

/** Undefined: the path is too long. */
function encodedUnixAddress(path: string): Buffer | undefined {
  const text = Buffer.from(path)
  if (text.length > UNIX_ADDRESS_BYTES - 3) return undefined
  const bytes = Buffer.alloc(text.length + 3)
  new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] = AF_UNIX
  text.copy(bytes, 2)
  return bytes
}

function parsedAddress(bytes: Buffer): SocketAddress | undefined {
  const family = new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0]
  const port = bytes.readUInt16BE(2)
  if (family === AF_INET) return { host: bytes.subarray(4, 8).join('.'), port }
  if (family !== AF_INET6) return undefined
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + 2 * index).toString(16))
  return { host: canonicalIpv6(groups.join(':')), port }
}

/** As URLs spell it (WHATWG URL, serializing an IPv6 address): the shortest form. */
function canonicalIpv6(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1)
}

function ipv6Bytes(host: string): Buffer {
  const [head = '', tail] = canonicalIpv6(host).split('::')
  const groupsOf = (text: string | undefined): string[] => (text ? text.split(':') : [])
  const [front, back] = [groupsOf(head), groupsOf(tail)]
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0')
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...front, ...zeros, ...back].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * index)
  return bytes
}
