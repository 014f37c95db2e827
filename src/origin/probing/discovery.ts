import type { Clock } from '../../base/clock.ts'
import type { Finding, ProbedFastOpen, QuicFinding } from '../../base/events/probe-report.ts'
import { guardedPromise } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { ServiceAnswer } from '../../dns/records/service-lookup.ts'
import { type ProbeBudget, ProbeSchedule } from '../../select/probe/probe-schedule.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import { isProxied, leavesFromPrefix } from '../egress/egress-settings.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { FastOpenProbe } from './fast-open.ts'

/** What looks at the network for all origins. */
export interface DiscoveryTools {
  readonly serviceRecords: (host: string, port: number, signal: AbortSignal) => Promise<ServiceAnswer>
  readonly quicVersions: (endpoint: Endpoint, timeoutMs: number, signal: AbortSignal) => Promise<QuicFinding>
  readonly fastOpen: FastOpenProbe
  readonly budget: ProbeBudget
}

export interface DiscoveryParts extends DiscoveryTools {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly clock: Clock
  /** The origin is reached where the DNS says, and not where the operator says. */
  readonly isResolved: boolean
  readonly onEvidence: (source: string, fact: string) => void
}

/** The one that our engine speaks (RFC 9000 15), as probes write it. */
const QUIC_V1 = '0x00000001'

/**
 * Looks beside the first requests, and now and then after, for what an origin can do: HTTPS records at once,
 * QUIC at the address where TCP worked, and with `tfo: 'auto'` TCP Fast Open there. Nobody waits for it, and
 * it fails in silence: what it finds is evidence, and what comes of that is a handshake.
 */
export class Discovery {
  readonly #parts: DiscoveryParts
  readonly #isWanted: boolean
  readonly #isFastOpenWanted: boolean
  readonly #schedule: ProbeSchedule
  /** Two connects with their handshakes: not more often than the other, whatever that one found. */
  readonly #fastOpenSchedule: ProbeSchedule
  readonly #abort = new AbortController()
  #hasAsked = false

  constructor(parts: DiscoveryParts) {
    this.#parts = parts
    const { settings, origin, budget } = parts
    const { protocols, select } = settings
    this.#isWanted =
      !isProxied(settings) &&
      !leavesFromPrefix(settings) &&
      select.probe === 'auto' &&
      select.policy !== 'efficiency' &&
      origin.scheme === 'https' &&
      protocols.includes('h3') &&
      protocols.length > 1
    this.#isFastOpenWanted =
      !isProxied(settings) && select.probe === 'auto' && origin.scheme === 'https' && settings.tfo === 'auto'
    this.#schedule = new ProbeSchedule({ intervalMs: select.probeIntervalMs, budget })
    this.#fastOpenSchedule = new ProbeSchedule({ intervalMs: select.probeIntervalMs, budget })
  }

  /** The DNS may be asked about the origin. */
  get mayAskDns(): boolean {
    return this.#parts.isResolved
  }

  /** A request wants the origin. */
  onRequest(): void {
    if (!this.#isWanted || this.#abort.signal.aborted || this.#hasAsked || !this.#parts.isResolved) return
    this.#hasAsked = true
    guardedPromise('asking for HTTPS records', this.#askServiceRecords())
  }

  /** TCP works there. */
  onTcpConnected(endpoint: Endpoint): void {
    if (this.#abort.signal.aborted) return
    const now = this.#parts.clock.now()
    this.#considerQuic(endpoint, now)
    this.#considerFastOpen(endpoint, now)
  }

  /** The DNS may say something else now, and what did not pass may pass. */
  onNetworkChanged(now: number): void {
    this.#hasAsked = false
    this.#schedule.onNetworkChange(now)
    this.#fastOpenSchedule.onNetworkChange(now)
  }

  close(): void {
    this.#abort.abort()
  }

  #considerQuic(endpoint: Endpoint, now: number): void {
    const { record } = this.#parts
    if (!this.#isWanted || !this.#schedule.mayStart(now)) return
    // Who has been notified where HTTP/3 is need not look for it.
    if (record.http3(now).alternative !== undefined) return
    if (record.knowsQuicOf(formatEndpoint(endpoint))) return
    this.#schedule.onStarted(now)
    guardedPromise('looking for QUIC', this.#lookForQuic(endpoint))
  }

  #considerFastOpen(endpoint: Endpoint, now: number): void {
    const { record } = this.#parts
    if (!this.#isFastOpenWanted || !this.#fastOpenSchedule.mayStart(now)) return
    // Connects use it by now, and tell by themselves when that goes wrong.
    if (record.fastOpenTaken(now) !== undefined) return
    this.#fastOpenSchedule.onStarted(now)
    guardedPromise('looking for Fast Open', this.#lookForFastOpen(endpoint))
  }

  async #askServiceRecords(): Promise<void> {
    const { serviceRecords, origin, record, clock, onEvidence } = this.#parts
    try {
      const answer = await serviceRecords(origin.host, origin.port, this.#abort.signal)
      if (this.#abort.signal.aborted) return
      record.onServiceAnswer(answer, clock.now())
      if (answer.kind !== 'found') return
      const offers = answer.records.map(
        ({ target, port, alpn }) => `${target}:${port ?? origin.port} ${alpn.join('+')}`,
      )
      onEvidence('https-record', offers.join(', '))
    } catch {
      // Closed while it was asked.
    }
  }

  async #lookForQuic(tcp: Endpoint): Promise<void> {
    const { quicVersions, settings, record, origin, clock, onEvidence } = this.#parts
    const endpoint: Endpoint = { ...tcp, transport: 'udp' }
    let finding: QuicFinding
    try {
      finding = await quicVersions(endpoint, settings.select.probeTimeoutMs, this.#abort.signal)
      this.#abort.signal.throwIfAborted()
    } catch {
      this.#schedule.onEnded('given-up', clock.now())
      return
    }
    const now = clock.now()
    record.onQuicProbed(formatEndpoint(endpoint), finding, now)
    const hasHttp3 = 'found' in finding && finding.found.versions.includes(QUIC_V1)
    this.#schedule.onEnded(hasHttp3 ? 'found' : 'nothing', now)
    if (!hasHttp3) return
    record.onHttp3Found(origin.host, origin.port, now)
    onEvidence('probe', `QUIC at ${formatEndpoint(endpoint)}`)
  }

  async #lookForFastOpen(endpoint: Endpoint): Promise<void> {
    const { fastOpen, origin, settings, record, clock, onEvidence } = this.#parts
    let finding: Finding<ProbedFastOpen>
    try {
      finding = await fastOpen(endpoint, origin, settings, this.#abort.signal)
      this.#abort.signal.throwIfAborted()
    } catch {
      this.#fastOpenSchedule.onEnded('given-up', clock.now())
      return
    }
    const now = clock.now()
    const isTaken = 'found' in finding && finding.found.taken
    if ('found' in finding) record.onProbed({ fastOpen: finding.found }, now)
    this.#fastOpenSchedule.onEnded(isTaken ? 'found' : 'nothing', now)
    if (isTaken) onEvidence('probe', `TCP Fast Open at ${formatEndpoint(endpoint)}`)
  }
}
