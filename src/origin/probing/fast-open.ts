import type { Clock } from '../../base/clock.ts'
import type { Finding, ProbedFastOpen } from '../../base/events/probe-report.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import type { FastOpen } from '../../connect/fast-open/fast-open.ts'
import {
  type FastOpenReport,
  fastOpenOutcome,
  fastOpenReport,
  type SeenFastOpenOutcome,
} from '../../connect/fast-open/fast-open-report.ts'
import type { LocalAddress } from '../../connect/native/descriptor-socket.ts'
import type { SocketCalls } from '../../connect/native/socket-calls.ts'
import { type AttemptOptions, AttemptSocket } from '../../connect/tcp/attempt-socket.ts'
import { attemptError } from '../../connect/tcp/connect-error.ts'
import { SecureContexts } from '../../connect/tls/secure-contexts.ts'
import { age, type KnownFact } from '../../select/evidence/evidence.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { checkEndpoint, probeWithTimeout } from './probe-with-timeout.ts'

/** Looks for TCP Fast Open at an address of an origin. Rejects as probeFastOpen does. */
export type FastOpenProbe = (
  endpoint: Endpoint,
  origin: Origin,
  settings: OriginSettings,
  signal: AbortSignal,
  local?: LocalAddress,
) => Promise<Finding<ProbedFastOpen>>

/** In the origin's name, with its trust, and within its time for a connect. */
export function fastOpenProbe(clock: Clock, fastOpen: FastOpen): FastOpenProbe {
  return (endpoint, origin, { tls, protocols, timeouts }, signal, local) => {
    const serverName = (tls.serverName ?? origin.host).replace(/\.$/, '')
    const timeoutMs = timeouts.connectMs + timeouts.tlsMs
    return probeFastOpen(endpoint, { clock, fastOpen, tls, serverName, protocols, timeoutMs, local }, signal)
  }
}

export interface FastOpenProbeOptions {
  readonly clock: Clock
  /** What this machine can, and who receives what became of each connect. */
  readonly fastOpen: Pick<FastOpen, 'unavailable' | 'calls' | 'onOutcome'>
  /** Those of the origin. */
  readonly tls: TlsOptions
  /** For SNI and the certificate, without a dot at its end. */
  readonly serverName: string
  /** Offered in this order; h3 is not over TCP, and left out. */
  readonly protocols: readonly Protocol[]
  /** For each of the two connects, with its handshake. */
  readonly timeoutMs: number
  /** What they leave from. Default: the kernel chooses. */
  readonly local?: LocalAddress | undefined
}

/** What one connect with Fast Open came to, once it was secured. */
interface Sight {
  readonly outcome: SeenFastOpenOutcome
  /** The kernel had one when the connect began. */
  readonly hadCookie: boolean
  readonly firstFlightBytes: number | undefined
  readonly segmentBytes: number
}

const NOT_LET: Finding<never> = { skipped: 'the kernel does not let this process use Fast Open' }

/**
 * Whether a peer takes data with the SYN (TCP Fast Open, RFC 7413), by two connects that are secured, as
 * strictly as others, and closed: the first asks for a cookie, unless the kernel has one of this address, and
 * the second sends its ClientHello with the SYN. What became of that the kernel says (TCP_INFO). The breakers
 * are given, not asked for. Rejects as quicVersions does.
 */
export async function probeFastOpen(
  endpoint: Endpoint,
  options: FastOpenProbeOptions,
  signal: AbortSignal,
): Promise<Finding<ProbedFastOpen>> {
  checkEndpoint(endpoint)
  const { unavailable, calls } = options.fastOpen
  if (calls === undefined) return unavailable === undefined ? NOT_LET : { skipped: unavailable }
  const first = await connectOnce(endpoint, calls, options, signal)
  if (!('found' in first)) return first
  const { outcome } = first.found
  // A cookie that the peer does not know any more was replaced by its answer: the second connect has the
  // better one.
  const isSettled = outcome === 'used' || outcome === 'syn-resent'
  const last = isSettled ? first : await connectOnce(endpoint, calls, options, signal)
  return 'found' in last ? { found: judge(last.found, endpoint.family) } : last
}

async function connectOnce(
  endpoint: Endpoint,
  calls: SocketCalls,
  options: FastOpenProbeOptions,
  signal: AbortSignal,
): Promise<Finding<Sight>> {
  const { clock, timeoutMs, tls, serverName, protocols, fastOpen, local } = options
  const bounds = {
    clock,
    timeoutMs,
    onTimeout: () =>
      ({
        fault: `${formatEndpoint(endpoint)} no TLS handshake with Fast Open within ${timeoutMs} ms`,
        code: 'MM_TLS_TIMEOUT',
      }) as const,
  }
  const secure = {
    context: new SecureContexts(1).get(tls).context,
    serverName,
    alpnProtocols: protocols.filter(protocol => protocol !== 'h3'),
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
    session: undefined,
    keylog: undefined,
  }
  const sight = await probeWithTimeout<Finding<Sight>>(bounds, signal, answer =>
    look({ endpoint, keepAliveDelayMs: 0, secure, fastOpen: calls, local }, serverName, answer),
  )
  if ('found' in sight) fastOpen.onOutcome(endpoint.address, sight.found.outcome)
  return sight
}

/**
 * One connect under way. 'connect' means nothing where the SYN is still to leave: only the handshake counts.
 */
function look(
  options: AttemptOptions,
  serverName: string,
  answer: (answer: Finding<Sight>) => void,
): () => void {
  let hadCookie = false
  const attempt = new AttemptSocket(options, {
    onConnected() {},
    onDeferred() {
      hadCookie = true
    },
    onSecured() {
      const info = attempt.fastOpenInfo()
      const outcome = info === undefined ? undefined : fastOpenOutcome(info)
      const { firstFlightBytes } = attempt
      if (info === undefined || outcome === undefined) return answer(NOT_LET)
      const { segmentBytes } = info
      answer({ found: { outcome, hadCookie, firstFlightBytes, segmentBytes } })
    },
    onFailed(cause) {
      // Of a SYN that was deferred, a read tells what connect(2) would have said.
      const hasSpoken = attempt.bytesRead > 0 || !isOfSystem(cause)
      const phase = hasSpoken ? 'tls' : 'connect'
      const { message, code } = attemptError(cause, phase, formatEndpoint(options.endpoint), serverName)
      answer({ fault: message, code })
    },
  })
  attempt.socket.unref()
  attempt.readPort.attach({ onRead: () => true, onFault: () => attempt.destroy() })
  return () => attempt.destroy()
}

function judge({ outcome, hadCookie, firstFlightBytes, segmentBytes }: Sight, family: 4 | 6): ProbedFastOpen {
  // It was asked for twice: in a connect before, and in this one.
  const because =
    outcome === 'no-cookie'
      ? 'the peer gives no cookie'
      : fastOpenReport(outcome, { firstFlightBytes, family, segmentBytes }).because
  return { cookie: hadCookie, taken: outcome === 'used', firstFlightBytes, because }
}

function isOfSystem(cause: unknown): boolean {
  return cause instanceof Error && 'errno' in cause
}

/** An origin has a handful. */
const MAX_ENDPOINTS = 32

/** What became of TCP Fast Open to an origin, the last time at each endpoint. */
export class FastOpenNews {
  readonly #last = new Map<string, FastOpenReport & { readonly at: number }>()

  onReport(endpoint: Endpoint, report: FastOpenReport, now: number): void {
    const key = formatEndpoint(endpoint)
    this.#last.delete(key)
    this.#last.set(key, { ...report, at: now })
    if (this.#last.size <= MAX_ENDPOINTS) return
    const first = this.#last.keys().next()
    if (first.done !== true) this.#last.delete(first.value)
  }

  /** For `explain`. */
  facts(now: number): KnownFact[] {
    return Array.from(this.#last, ([endpoint, { outcome, because, at }]) => ({
      fact: `TCP Fast Open to ${endpoint} was ${outcome === 'used' ? 'used' : 'asked for and not used'}: ${because}`,
      evidence: `the last connect, ${age(now - at)}`,
    }))
  }
}
