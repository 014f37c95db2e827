import { TransportError } from '../errors.ts'
import { checkRanges, type OptionRanges } from './check-options.ts'

/**
 * Sockets towards an origin: of TCP, but for `dscp`, which is for QUIC too. All but the first need native
 * calls (native-notes/socket-options.md); where they cannot be made, `explain` says so and the system's own
 * values hold. The first three follow `liveness` where they are not given: half of `intervalMs` +
 * `timeoutMs` of silence, and two probes a quarter of it apart, in whole seconds. What these take in all is
 * the bound for a peer that acknowledges nothing of what was sent, too: who watches for that is the transport
 * itself, since TCP_USER_TIMEOUT would end connections whose peer lives and takes nothing.
 */
export interface SocketOptions {
  /**
   * Silence before the first keepalive probe, in whole seconds (the nearest, and one at least); 0 switches
   * keepalive off. Default 10,000 ms.
   */
  keepAliveDelayMs: number
  /** From one keepalive probe to the next, likewise. 0: Node's, which is one second. Default 5,000 ms. */
  keepAliveIntervalMs: number
  /** Keepalive probes without an answer that end the connection. 0: Node's, which is ten. Default 2. */
  keepAliveProbes: number
  /**
   * How long what was sent may stay unacknowledged, or a peer take nothing although it answers, before the
   * kernel gives the connection up (TCP_USER_TIMEOUT). With it the kernel counts no keepalive probes, and the
   * transport leaves the watch to the kernel. 0: not set. Default 0 ms.
   */
  userTimeoutMs: number
  /**
   * The longest pause before something is sent again, or a peer that takes nothing is asked again
   * (TCP_RTO_MAX_MS, Linux 6.15 and later; 1,000 to 120,000, and what is less is refused). Not given: a
   * quarter of what keepalive takes in all. 0: the system's, two minutes. Default 5,000 ms.
   */
  retransmitMaxMs: number
  /**
   * What the kernel takes for sending beyond what is under way (TCP_NOTSENT_LOWAT): less means fresher
   * priorities, more means fewer wake-ups. 0: the system's. Default 0 bytes.
   */
  notSentLowWaterBytes: number
  /**
   * The congestion control by name (`cubic`, `bbr`, `reno`), where the kernel has it and permits it. Empty:
   * the system's. Default empty.
   */
  congestionControl: string
  /**
   * What packets are marked with for the routers on the way (DSCP, RFC 2474), over TCP from the SYN on, and
   * over QUIC: 0 to 63, or a name such as `EF`, `AF41`, `CS1`, `LE`. To a proxy: what goes to the origin,
   * from the tunnel on. 0: nothing. Default 0.
   */
  dscp: number | DscpName
}

/** The names that the RFCs have given (RFC 2474, 2597, 3246, 5865, 8622). */
export const DSCP_NAMES = {
  CS0: 0,
  LE: 1,
  CS1: 8,
  AF11: 10,
  AF12: 12,
  AF13: 14,
  CS2: 16,
  AF21: 18,
  AF22: 20,
  AF23: 22,
  CS3: 24,
  AF31: 26,
  AF32: 28,
  AF33: 30,
  CS4: 32,
  AF41: 34,
  AF42: 36,
  AF43: 38,
  CS5: 40,
  'VOICE-ADMIT': 44,
  EF: 46,
  CS6: 48,
  CS7: 56,
} as const

/** A name of a mark: see SocketOptions.dscp. */
export type DscpName = keyof typeof DSCP_NAMES

/** The six bits. */
export function dscpOf(dscp: SocketOptions['dscp']): number {
  return typeof dscp === 'number' ? dscp : DSCP_NAMES[dscp]
}

const MAX_DSCP = 63

function isDscp(value: unknown): boolean {
  if (typeof value === 'string') return Object.hasOwn(DSCP_NAMES, value)
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_DSCP
}

/**
 * The defaults of `socket`; the first three follow `liveness` where they are not given. Durations are in ms,
 * sizes in bytes.
 */
export const DEFAULT_SOCKET_OPTIONS: Readonly<SocketOptions> = {
  keepAliveDelayMs: 10_000,
  keepAliveIntervalMs: 5_000,
  keepAliveProbes: 2,
  userTimeoutMs: 0,
  retransmitMaxMs: 5_000,
  notSentLowWaterBytes: 0,
  congestionControl: '',
  dscp: 0,
}

/** MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux: 32,767 seconds. */
const MAX_KEEPALIVE_MS = 32_767_000
const MAX_INT = 2 ** 31 - 1

type NumericSocketOptions = Omit<SocketOptions, 'congestionControl' | 'dscp'>

/** What each numeric `socket` option may be; all are whole numbers. */
export const SOCKET_RANGES: Required<OptionRanges<NumericSocketOptions>> = {
  keepAliveDelayMs: { min: 0, max: MAX_KEEPALIVE_MS },
  keepAliveIntervalMs: { min: 0, max: MAX_KEEPALIVE_MS },
  keepAliveProbes: { min: 0, max: 127 }, // MAX_TCP_KEEPCNT
  userTimeoutMs: { min: 0, max: MAX_INT },
  retransmitMaxMs: { min: 1_000, max: 120_000, orZero: true }, // TCP_RTO_MAX_MIN_SEC, TCP_RTO_MAX_SEC
  notSentLowWaterBytes: { min: 0, max: MAX_INT },
}

/**
 * What a name of a congestion control is made of: 15 characters and a zero are TCP_CA_NAME_MAX. Empty: the
 * system's.
 */
export const CONGESTION_CONTROL_NAME = /^[a-z0-9_-]{0,15}$/

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `socket.FIELD`. */
export function checkSocketOptions(options: SocketOptions): SocketOptions {
  const { congestionControl, dscp, ...numbers } = options
  checkRanges('socket', numbers, SOCKET_RANGES)
  if (typeof congestionControl !== 'string' || !CONGESTION_CONTROL_NAME.test(congestionControl)) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      'socket.congestionControl must be a name such as cubic, of up to 15 lower-case letters, digits, - and _',
    )
  }
  if (!isDscp(dscp)) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `socket.dscp must be from 0 to ${MAX_DSCP}, or one of ${Object.keys(DSCP_NAMES).join(', ')}`,
    )
  }
  return options
}
