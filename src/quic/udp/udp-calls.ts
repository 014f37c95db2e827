import { endianness } from 'node:os'
import { getSystemErrorName } from 'node:util'
import {
  AF_INET,
  AF_INET6,
  addressBytes,
  readSocketAddress,
  SOCKADDR_IN6_BYTES,
  writeSocketAddress,
} from '../../base/socket/socket-address.ts'
import {
  type Ffi,
  type FfiFunction,
  type LoadedFfi,
  loadFfi,
  type PollHandle,
} from '../../connect/native/load-ffi.ts'
import type { UdpAddress } from '../engine.ts'
import { MAX_ARRIVALS, MessageArena } from './message-arena.ts'

/** SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC. */
const DATAGRAM_TYPE = 2 | 0o4000 | 0o2_000_000
const MSG_DONTWAIT = 0x40
/** The same on all architectures that we know (see socket-mode.ts). */
const OPTIONS = {
  receiveBuffer: [1, 8],
  sendBuffer: [1, 7],
  segmentsReceived: [17, 104],
  ecnReceived4: [0, 13],
  ecnReceived6: [41, 66],
  localReceived4: [0, 8],
  localReceived6: [41, 49],
  errorsReceived4: [0, 11],
  errorsReceived6: [41, 25],
  onlyIpv6: [41, 26],
  trafficClass4: [0, 1],
  trafficClass6: [41, 67],
  freeBind4: [0, 15],
  freeBind6: [41, 78],
} as const

type UdpOption = keyof typeof OPTIONS

/**
 * System calls on UDP sockets. Numbers below 0 are errno values. A descriptor must not be used behind
 * close(): its number is soon another one's.
 */
export interface UdpCalls {
  readonly arena: MessageArena
  open(family: 4 | 6): number
  bind(fd: number, family: 4 | 6, address: UdpAddress): number
  connect(fd: number, family: 4 | 6, address: UdpAddress): number
  local(fd: number): UdpAddress | undefined
  set(fd: number, option: UdpOption, value: number): number
  /** How many of the prepared messages have left. */
  send(fd: number, first: number, count: number): number
  /** How many messages came. */
  receive(fd: number): number
  close(fd: number): void
  /** Calls back in the poll phase of the loop; to be held as long as it is to do so. */
  poll(fd: number, onEvent: (status: number) => void): PollHandle
}

export type LoadedUdpCalls = { readonly calls: UdpCalls } | { readonly unavailable: string }

let loaded: LoadedUdpCalls | undefined

/** The calls of this machine, or why there are none. Loaded with the first call; never throws. */
export function udpCalls(): LoadedUdpCalls {
  loaded ??= bindUdpCalls(loadFfi())
  return loaded
}

/** Never throws. */
function bindUdpCalls(found: LoadedFfi): LoadedUdpCalls {
  if ('unavailable' in found) return found
  if (endianness() !== 'LE') return { unavailable: 'socket structures are known for little-endian machines' }
  try {
    return { calls: bind(found.ffi) }
  } catch (error) {
    return { unavailable: `UDP in batches: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function bind(ffi: Ffi): UdpCalls {
  const poll = ffi.node?.poll
  const { address: addressOf } = ffi
  if (poll === undefined || addressOf === undefined) throw new Error('this koffi cannot wait for descriptors')
  const libc = ffi.load(null)
  const call = (prototype: string): ((...args: readonly number[]) => number) => {
    const native: FfiFunction = libc.func(prototype)
    return (...args) => {
      const result = native(...args) as number // as: the prototypes below return int
      return result < 0 ? -ffi.errno() : result
    }
  }
  const socket = call('int socket(int family, int type, int protocol)')
  const bindTo = call('int bind(int fd, uintptr_t address, uint32_t length)')
  const connect = call('int connect(int fd, uintptr_t address, uint32_t length)')
  const name = call('int getsockname(int fd, uintptr_t address, uintptr_t length)')
  const setOption = call('int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t length)')
  const close = call('int close(int fd)')
  // The hot ones, without a function in between.
  const sendMessages = libc.func('int sendmmsg(int fd, uintptr_t messages, uint32_t count, int flags)')
  const receiveMessages = libc.func(
    'int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, uintptr_t timeout)',
  )
  const arena = new MessageArena(addressOf)
  const receiveInto = arena.arrivalHeaders()

  const withAddress = (
    act: (address: number, length: number) => number,
    family: 4 | 6,
    { host, port }: UdpAddress,
  ): number => {
    const parsed = addressBytes(host)
    const { bytes, address } = arena.scratch(SOCKADDR_IN6_BYTES)
    const length = parsed === undefined ? 0 : writeSocketAddress(bytes, 0, family, parsed, port)
    return length === 0 ? -EINVAL : act(address, length)
  }
  return {
    arena,
    open: family => socket(family === 6 ? AF_INET6 : AF_INET, DATAGRAM_TYPE, 0),
    bind: (fd, family, to) => withAddress((at, length) => bindTo(fd, at, length), family, to),
    connect: (fd, family, to) => withAddress((at, length) => connect(fd, at, length), family, to),
    local(fd) {
      const { bytes, address } = arena.scratch(SOCKADDR_IN6_BYTES + 4)
      bytes.writeUInt32LE(SOCKADDR_IN6_BYTES, SOCKADDR_IN6_BYTES)
      return name(fd, address, address + SOCKADDR_IN6_BYTES) < 0 ? undefined : readSocketAddress(bytes, 0)
    },
    set(fd, option, value) {
      const { bytes, address } = arena.scratch(4)
      bytes.writeInt32LE(value)
      const [level, number] = OPTIONS[option]
      return setOption(fd, level, number, address, 4)
    },
    send(fd, first, count) {
      // as: the prototype returns int
      const sent = sendMessages(fd, arena.departureHeaders(first, count), count, MSG_DONTWAIT) as number
      return sent < 0 ? -ffi.errno() : sent
    },
    receive(fd) {
      const came = receiveMessages(fd, receiveInto, MAX_ARRIVALS, MSG_DONTWAIT, 0) as number // as: int
      return came < 0 ? -ffi.errno() : came
    },
    close: fd => void close(fd),
    poll: (fd, onEvent) => poll(fd, { readable: true, writable: false }, onEvent),
  }
}

const EINVAL = 22

/** As Node makes them of what the system says. */
export function systemError(errno: number, syscall: string, { host, port }: UdpAddress): Error {
  const code = errno === 0 ? 'UNKNOWN' : getSystemErrorName(-errno)
  const error = new Error(`${syscall} ${code} ${host.includes(':') ? `[${host}]` : host}:${port}`)
  return Object.assign(error, { code, errno: -errno, syscall, address: host, port })
}
