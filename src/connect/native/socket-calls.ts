import type { Duplex } from 'node:stream'
import { addressBytes, SOCKADDR_IN6_BYTES, writeSocketAddress } from '../../base/socket/socket-address.ts'
import { descriptorOf, type UnreadProbe } from '../../base/socket/stream-socket.ts'
import { type FfiFunction, type LoadedFfi, loadFfi } from './load-ffi.ts'
import { parseTcpInfo, type TcpInfo } from './tcp-info.ts'

/** Options of a TCP socket that Node has no call for. */
export type SocketOption = keyof typeof OPTIONS

const SOL_IP = 0
const SOL_TCP = 6
const SOL_IPV6 = 41
/** Level and number: uapi/linux/tcp.h, in.h and in6.h; the same on every architecture. */
const OPTIONS = {
  keepAliveIdleSeconds: [SOL_TCP, 4],
  keepAliveIntervalSeconds: [SOL_TCP, 5],
  keepAliveProbes: [SOL_TCP, 6],
  userTimeoutMs: [SOL_TCP, 18],
  /** Of a listener: connections that may wait with their data before the handshake is complete. */
  fastOpenQueue: [SOL_TCP, 23],
  notSentLowWaterBytes: [SOL_TCP, 25],
  /** connect(2) puts off the SYN until the first write, which goes with it. */
  fastOpenConnect: [SOL_TCP, 30],
  /** Linux 6.15. */
  retransmitMaxMs: [SOL_TCP, 44],
  /** What IPv4 packets are marked with: six bits of DSCP, and two of ECN, which are the kernel's for TCP. */
  trafficClass4: [SOL_IP, 1],
  /** bind(2) to an address that this machine does not have. */
  freeBind4: [SOL_IP, 15],
  /** bind(2) to port 0 takes none; connect(2) does, for its destination only. Of both families. */
  bindWithoutPort: [SOL_IP, 24],
  trafficClass6: [SOL_IPV6, 67],
  freeBind6: [SOL_IPV6, 78],
} as const

const TCP_INFO = 11
const TCP_CONGESTION = 13
const AF_INET = 2
const AF_INET6 = 10
/**
 * SOCK_NONBLOCK | SOCK_CLOEXEC, on every architecture but MIPS, SPARC, Alpha and PA-RISC, which Node has no
 * builds for.
 */
const AS_LIBUV = 0o4000 | 0o2_000_000
const SOCK_STREAM = 1
const TCP_INFO_BYTES = 512
/** MSG_PEEK | MSG_DONTWAIT. */
const PEEK = 0x02 | 0x40
const EAGAIN = 11
const EINVAL = 22
const MAX_NAME_BYTES = 16
const POLLIN = 1

/**
 * System calls on sockets. Numbers are errno values, 0 for success. A descriptor is to be read off its socket
 * for each call: the number of a closed one is given to the next socket that is opened.
 */
export interface SocketCalls {
  /** A stream socket as libuv makes them: it does not block, and is not inherited. */
  openStream(family: 4 | 6): { readonly fd: number } | { readonly errno: number }
  /**
   * The next connection in the queue of a listening socket that does not block. Undefined: none waits, or
   * there is no descriptor left.
   */
  accept(listening: number): number | undefined
  /** To an address of that family; port 0 takes a free one, or none with `bindWithoutPort`. */
  bind(fd: number, family: 4 | 6, address: string, port: number): number
  close(fd: number): void
  set(fd: number, option: SocketOption, value: number): number
  get(fd: number, option: SocketOption): number | undefined
  setCongestionControl(fd: number, name: string): number
  congestionControl(fd: number): string | undefined
  tcpInfo(fd: number): TcpInfo | undefined
  /** Bytes, the peer's end, or an error that the next read would find. */
  hasUnread(fd: number): boolean
}

/** `unavailable` is for people: `explain` prints it. */
export type LoadedSocketCalls = { readonly calls: SocketCalls } | { readonly unavailable: string }

let loaded: LoadedSocketCalls | undefined

/** The calls of this machine, or why there are none. Loaded with the first call; never throws. */
export function socketCalls(): LoadedSocketCalls {
  loaded ??= bindSocketCalls(loadFfi())
  return loaded
}

/** Never throws. */
export function bindSocketCalls(found: LoadedFfi): LoadedSocketCalls {
  if ('unavailable' in found) return found
  const { ffi } = found
  let getOption: FfiFunction
  let setOption: FfiFunction
  let socket: FfiFunction
  let bind: FfiFunction
  let accept: FfiFunction
  let poll: FfiFunction
  let close: FfiFunction
  let receive: FfiFunction
  try {
    const libc = ffi.load(null)
    setOption = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')
    getOption = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)')
    socket = libc.func('int socket(int family, int type, int protocol)')
    bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
    accept = libc.func('int accept4(int fd, void *address, void *length, int flags)')
    poll = libc.func('int poll(void *entries, unsigned long count, int timeout)')
    close = libc.func('int close(int fd)')
    receive = libc.func('intptr_t recv(int fd, void *into, size_t length, int flags)')
  } catch (error) {
    return {
      unavailable: `the C library lacks a call: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
  const integer = new Int32Array(1)
  const length = new Uint32Array(1)
  const bytes = Buffer.alloc(TCP_INFO_BYTES)
  const socketAddress = Buffer.alloc(SOCKADDR_IN6_BYTES)
  // struct pollfd: an int, and two shorts, the second of which the kernel writes.
  const polledFd = new Int32Array(2)
  new Int16Array(polledFd.buffer)[2] = POLLIN

  const read = (fd: number, level: number, name: number, size: number): Buffer | undefined => {
    length[0] = size
    // as: the prototypes above return int
    return (getOption(fd, level, name, bytes, length) as number) === 0
      ? bytes.subarray(0, length[0])
      : undefined
  }
  const errnoOf = (result: unknown): number => (result === 0 ? 0 : ffi.errno())
  const calls: SocketCalls = {
    openStream(family) {
      const fd = socket(family === 6 ? AF_INET6 : AF_INET, SOCK_STREAM | AS_LIBUV, 0) as number // int
      return fd < 0 ? { errno: ffi.errno() } : { fd }
    },
    accept(listening) {
      // accept4 makes a socket before it looks into the queue: 4.2 us in vain, poll 0.4 us.
      polledFd[0] = listening
      if (poll(polledFd, 1, 0) !== 1) return undefined
      const fd = accept(listening, null, null, AS_LIBUV) as number // as: the prototype returns int
      return fd < 0 ? undefined : fd
    },
    bind(fd, family, address, port) {
      const parsed = addressBytes(address)
      const size = parsed === undefined ? 0 : writeSocketAddress(socketAddress, 0, family, parsed, port)
      return size === 0 ? EINVAL : errnoOf(bind(fd, socketAddress, size))
    },
    close: fd => void close(fd),
    set(fd, option, value) {
      integer[0] = value
      const [level, name] = OPTIONS[option]
      return errnoOf(setOption(fd, level, name, integer, 4))
    },
    get(fd, option) {
      const [level, name] = OPTIONS[option]
      return read(fd, level, name, 4)?.readInt32LE(0)
    },
    setCongestionControl(fd, name) {
      const text = Buffer.from(name, 'latin1')
      return errnoOf(setOption(fd, SOL_TCP, TCP_CONGESTION, text, text.length))
    },
    congestionControl(fd) {
      const text = read(fd, SOL_TCP, TCP_CONGESTION, MAX_NAME_BYTES)?.toString('latin1')
      return text === undefined ? undefined : text.replace(/\0.*$/s, '')
    },
    tcpInfo(fd) {
      const info = read(fd, SOL_TCP, TCP_INFO, TCP_INFO_BYTES)
      return info === undefined ? undefined : parseTcpInfo(info)
    },
    hasUnread: fd => receive(fd, bytes, 1, PEEK) !== -1 || ffi.errno() !== EAGAIN,
  }
  return { calls }
}

/**
 * Looks below the event loop, at what the kernel has for a TCP socket (0.6 us). Without native calls it does
 * not know.
 */
export function unreadProbe(tcp: Duplex, load: () => LoadedSocketCalls = socketCalls): UnreadProbe {
  return () => {
    const loaded = load()
    // Each time anew: the number of a closed socket is soon another one's.
    const fd = 'unavailable' in loaded ? undefined : descriptorOf(tcp)
    return 'unavailable' in loaded || fd === undefined ? undefined : loaded.calls.hasUnread(fd)
  }
}

/** fcntl.h of Linux, the same on every architecture. */
const F_DUPFD_CLOEXEC = 1030
/** Above the standard streams. */
const LOWEST = 3

/** Two names for one open socket. */
export interface DescriptorCalls {
  /**
   * Another descriptor of the same open file, not inherited by child processes. Undefined: there is none
   * left.
   */
  duplicate(fd: number): number | undefined
  close(fd: number): void
}

let loadedDescriptorCalls: DescriptorCalls | undefined | null = null

/** Undefined where native calls cannot be made. Never throws. */
export function descriptorCalls(): DescriptorCalls | undefined {
  if (loadedDescriptorCalls === null) loadedDescriptorCalls = bindDescriptorCalls()
  return loadedDescriptorCalls
}

function bindDescriptorCalls(): DescriptorCalls | undefined {
  const found = loadFfi()
  if ('unavailable' in found) return undefined
  try {
    const libc = found.ffi.load(null)
    // Its third argument is variadic in C; an int is passed in the same register either way on what koffi is
    // built for.
    const fcntl = libc.func('int fcntl(int fd, int command, int argument)')
    const close = libc.func('int close(int fd)')
    return {
      duplicate(fd) {
        const copy = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST) as number // as: the prototype returns int
        return copy < 0 ? undefined : copy
      },
      close: fd => void close(fd),
    }
  } catch {
    return undefined
  }
}
