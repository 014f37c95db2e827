import { type LivenessOptions } from '../../base/options/protocol-options.ts'
import { DEFAULT_SOCKET_OPTIONS, type SocketOptions } from '../../base/options/socket-options.ts'

/** What Node sets where nothing else is asked for. */
const NODE_PROBE_INTERVAL_MS = 1_000
const NODE_PROBES = 10

/** MAX_TCP_KEEPIDLE of Linux. */
const MAX_KEEPALIVE_MS = 32_767_000
/** What TCP_RTO_MAX_MS takes. */
const MIN_RETRANSMIT_MS = 1_000
const MAX_RETRANSMIT_MS = 120_000

type Bound = Pick<LivenessOptions, 'intervalMs' | 'timeoutMs'>
type KeepAliveTimes = Pick<SocketOptions, 'keepAliveDelayMs' | 'keepAliveIntervalMs' | 'keepAliveProbes'>
type TcpTimes = KeepAliveTimes & Pick<SocketOptions, 'userTimeoutMs' | 'retransmitMaxMs'>

/**
 * How soon an unresponsive peer is found by TCP, where nobody has said it for sockets: as soon as HTTP/2 and
 * HTTP/3 do.
 * 1. Two keepalive probes: the first after half of the bound, the second a quarter later, and a quarter for
 *    its answer. The kernel counts whole seconds, so that what is given is rounded to them as well.
 * 2. No TCP_USER_TIMEOUT: with it Linux ends connections whose peer takes nothing for that long, though it
 *    answers every probe of its closed window. What stays unacknowledged is DeadPeerDetector's to find,
 *    within `silenceBoundMs`.
 * 3. Pauses between retransmissions, and between probes of a closed window, of a quarter of that at the most,
 *    else a peer that takes nothing and then dies is not asked for up to two minutes.
 */
export function tcpTimes(liveness: Bound, given: Partial<TcpTimes>): TcpTimes {
  const boundMs = boundOf(liveness)
  const {
    keepAliveDelayMs = boundMs / 2 || DEFAULT_SOCKET_OPTIONS.keepAliveDelayMs,
    keepAliveIntervalMs = boundMs / 4 || DEFAULT_SOCKET_OPTIONS.keepAliveIntervalMs,
  } = given
  const keepAlive = {
    keepAliveProbes: DEFAULT_SOCKET_OPTIONS.keepAliveProbes,
    ...given,
    keepAliveDelayMs: wholeSeconds(keepAliveDelayMs),
    keepAliveIntervalMs: wholeSeconds(keepAliveIntervalMs),
  }
  return { userTimeoutMs: 0, retransmitMaxMs: retransmitMaxMs(spanOf(liveness, keepAlive)), ...keepAlive }
}

/**
 * How long a peer may leave unacknowledged what was sent: as long as keepalive takes to find it silent;
 * without keepalive the bound of `liveness`. 0: for ever, or as the user timeout says, which is the
 * operator's own word.
 */
export function silenceBoundMs(
  liveness: Bound,
  socket: KeepAliveTimes & Pick<SocketOptions, 'userTimeoutMs'>,
): number {
  return socket.userTimeoutMs > 0 ? 0 : spanOf(liveness, socket)
}

function boundOf({ intervalMs, timeoutMs }: Bound): number {
  return intervalMs > 0 && timeoutMs > 0 ? intervalMs + timeoutMs : 0
}

/** One at least: Node cuts off what is below a second, and 0 s leaves the two hours of the kernel. */
function wholeSeconds(ms: number): number {
  return ms === 0 ? 0 : Math.min(MAX_KEEPALIVE_MS, Math.max(1, Math.round(ms / 1000)) * 1000)
}

/** From the last proof of liveness to the end by keepalive. */
function spanOf(
  liveness: Bound,
  { keepAliveDelayMs, keepAliveIntervalMs, keepAliveProbes }: KeepAliveTimes,
): number {
  if (keepAliveDelayMs === 0) return boundOf(liveness)
  const intervalMs = keepAliveIntervalMs === 0 ? NODE_PROBE_INTERVAL_MS : keepAliveIntervalMs
  return keepAliveDelayMs + intervalMs * (keepAliveProbes === 0 ? NODE_PROBES : keepAliveProbes)
}

function retransmitMaxMs(spanMs: number): number {
  if (spanMs === 0) return 0
  return Math.min(MAX_RETRANSMIT_MS, Math.max(MIN_RETRANSMIT_MS, Math.round(spanMs / 4)))
}
