import { TransportError } from '../errors.ts'
import { checkRanges, type OptionRanges } from './option-ranges.ts'
import type { SocketOptions } from './options.ts'

/** MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux: 32,767 seconds. */
const MAX_KEEPALIVE_MS = 32_767_000
const MAX_INT = 2 ** 31 - 1

type NumericSocketOptions = Omit<SocketOptions, 'congestionControl'>

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
  const { congestionControl, ...numbers } = options
  checkRanges('socket', numbers, SOCKET_RANGES)
  if (typeof congestionControl !== 'string' || !CONGESTION_CONTROL_NAME.test(congestionControl)) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      'socket.congestionControl must be a name such as cubic, of up to 15 lower-case letters, digits, - and _',
    )
  }
  return options
}
