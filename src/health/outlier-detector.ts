import type { OutlierOptions } from '../base/options/health-options.ts'
import { type ComparisonReason, type IntervalCounts, outliers } from './outlier-comparison.ts'
import type { TryOutcome } from './try-outcome.ts'

/**
 * Why an endpoint was ejected; a metric label. `probe-failed`: it was to come back, and failed again.
 * `elsewhere`: another process of the host has ejected it.
 */
export type EjectionReason =
  | 'consecutive-failures'
  | 'consecutive-gateway-errors'
  | 'probe-failed'
  | 'elsewhere'
  | ComparisonReason

/** An endpoint takes no requests from now on, or takes them again. */
export type OutlierChange =
  | {
      readonly type: 'ejected'
      readonly index: number
      readonly reason: EjectionReason
      readonly because: string
      readonly forMs: number
    }
  | {
      readonly type: 'readmitted'
      readonly index: number
      readonly because: string
      /** Another process found it back. */
      readonly isElsewhere: boolean
    }

/**
 * The passive health of one endpoint:
 *
 *     admitted ──► ejected ──► probing ──► admitted
 *                     ▲───────────┘
 */
type Standing =
  /** It takes requests. Valid transitions: ejected. */
  | { readonly kind: 'admitted' }
  /** It takes none until then, and a single one after that. Valid transitions: probing. */
  | { readonly kind: 'ejected'; readonly until: number; readonly because: string }
  /**
   * One request is out that decides; when nothing has come of it until `until`, another one may be. Valid
   * transitions: ejected, probing, admitted.
   */
  | { readonly kind: 'probing'; readonly until: number; readonly because: string }

/** What is known of one endpoint. */
class TrackedEndpoint {
  standing: Standing = { kind: 'admitted' }
  failuresInRow = 0
  gatewayErrorsInRow = 0
  /** Ejections that still make the next one longer. */
  recentEjections = 0
  readonly interval: IntervalCounts = { requests: 0, successes: 0, latencyMs: 0, answered: 0 }

  startInterval(): void {
    this.interval.requests = 0
    this.interval.successes = 0
    this.interval.latencyMs = 0
    this.interval.answered = 0
  }
}

/**
 * Passive outlier ejection over the endpoints of an origin, from what becomes of their requests (Envoy's,
 * with a probe request in place of its return by time alone). It never ejects more than `maxEjectedShare`
 * of those that there are at that time, and each ejection ends: after its time one request that is sent there
 * decides.
 */
export class OutlierDetector {
  readonly #options: OutlierOptions
  readonly #random: () => number
  readonly #onChange: (change: OutlierChange) => void
  readonly #endpoints = new Map<number, TrackedEndpoint>()
  /** Those that are not admitted. */
  #ejected = 0
  #comparedAt: number

  constructor(
    options: OutlierOptions,
    random: () => number,
    onChange: (change: OutlierChange) => void,
    now: number,
  ) {
    this.#options = options
    this.#random = random
    this.#onChange = onChange
    this.#comparedAt = now
  }

  add(index: number): void {
    this.#endpoints.set(index, new TrackedEndpoint())
  }

  /** What becomes of its last requests counts for nobody. */
  remove(index: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint !== undefined && endpoint.standing.kind !== 'admitted') this.#ejected -= 1
    this.#endpoints.delete(index)
  }

  /** How it stands; `because`: why it was ejected. */
  standingOf(index: number): { readonly kind: Standing['kind']; readonly because?: string } {
    return this.#endpoints.get(index)?.standing ?? { kind: 'admitted' }
  }

  isAdmitted(index: number): boolean {
    return this.#ejected === 0 || this.#endpoints.get(index)?.standing.kind === 'admitted'
  }

  /** Its ejection is over, so that a request has to go there for it to come back. */
  isProbeDue(index: number, now: number): boolean {
    const standing = this.#endpoints.get(index)?.standing
    return standing !== undefined && standing.kind !== 'admitted' && now >= standing.until
  }

  /** That request is sent. */
  onProbeSent(index: number, now: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint === undefined || endpoint.standing.kind === 'admitted') return
    const { because } = endpoint.standing
    endpoint.standing = { kind: 'probing', until: now + this.#options.ejectionMs, because }
  }

  /**
   * It could not be connected to, and can again: what was known of it is of a process that is gone, and the
   * next request is to find out how it is.
   */
  onReconnected(index: number, now: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint === undefined) return
    endpoint.failuresInRow = 0
    endpoint.gatewayErrorsInRow = 0
    const { standing } = endpoint
    if (standing.kind === 'ejected') endpoint.standing = { ...standing, until: Math.min(standing.until, now) }
  }

  /** Another process of the host has ejected it, for so long. The share that may be out holds here, too. */
  onEjectedElsewhere(index: number, because: string, forMs: number, now: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint?.standing.kind !== 'admitted' || this.#ejected >= this.#most) return
    this.#ejected += 1
    endpoint.recentEjections += 1
    endpoint.standing = { kind: 'ejected', until: now + forMs, because }
    this.#onChange({ type: 'ejected', index, reason: 'elsewhere', because, forMs })
  }

  /** Another process has found it back. */
  onReadmittedElsewhere(index: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint === undefined || endpoint.standing.kind === 'admitted') return
    this.#readmit(index, endpoint, true)
  }

  /**
   * What became of a request. `latencyMs`: until the head of its answer came; undefined: none did. On the
   * hot path.
   */
  onOutcome(index: number, outcome: TryOutcome, latencyMs: number | undefined, now: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint === undefined) return
    count(endpoint, outcome, latencyMs)
    const { kind } = endpoint.standing
    // What was under way before the ejection says nothing new; in a panic requests go to ejected ones as
    // well.
    if (kind === 'probing') {
      if (outcome === 'success') this.#readmit(index, endpoint, false)
      else this.#enterEjected(index, endpoint, 'probe-failed', `its probe request failed: ${outcome}`, now)
    } else if (kind === 'admitted' && outcome !== 'success') this.#judgeRow(index, endpoint, now)
    if (now - this.#comparedAt >= this.#options.intervalMs) this.#compare(now)
  }

  /** Throws unless the counts are right. For tests. */
  assertConsistent(): void {
    const all = [...this.#endpoints.values()]
    const ejected = all.filter(({ standing }) => standing.kind !== 'admitted').length
    if (ejected !== this.#ejected) throw new Error(`${ejected} ejected, ${this.#ejected} counted`)
  }

  #judgeRow(index: number, endpoint: TrackedEndpoint, now: number): void {
    const { consecutiveFailures, consecutiveGatewayErrors } = this.#options
    const { failuresInRow, gatewayErrorsInRow } = endpoint
    if (consecutiveGatewayErrors > 0 && gatewayErrorsInRow >= consecutiveGatewayErrors) {
      const because = `${gatewayErrorsInRow} gateway errors in a row`
      this.#eject(index, 'consecutive-gateway-errors', because, now)
    } else if (consecutiveFailures > 0 && failuresInRow >= consecutiveFailures)
      this.#eject(index, 'consecutive-failures', `${failuresInRow} failures in a row`, now)
  }

  /** Over the interval that ends now. */
  #compare(now: number): void {
    const counts = new Map<number, IntervalCounts>()
    for (const [index, { standing, interval }] of this.#endpoints)
      if (standing.kind === 'admitted') counts.set(index, interval)
    for (const { index, reason, because } of outliers(counts, this.#options))
      this.#eject(index, reason, because, now)
    const intervals = Math.floor((now - this.#comparedAt) / this.#options.intervalMs)
    for (const endpoint of this.#endpoints.values()) {
      endpoint.startInterval()
      if (endpoint.standing.kind === 'admitted')
        endpoint.recentEjections = Math.max(0, endpoint.recentEjections - intervals)
    }
    this.#comparedAt = now
  }

  /** So many may be out at a time. */
  get #most(): number {
    return Math.floor(this.#endpoints.size * this.#options.maxEjectedShare)
  }

  #eject(index: number, reason: EjectionReason, because: string, now: number): void {
    const endpoint = this.#endpoints.get(index)
    if (endpoint === undefined || this.#ejected >= this.#most) return
    this.#ejected += 1
    this.#enterEjected(index, endpoint, reason, because, now)
  }

  #enterEjected(
    index: number,
    endpoint: TrackedEndpoint,
    reason: EjectionReason,
    because: string,
    now: number,
  ): void {
    const { ejectionMs, maxEjectionMs, ejectionJitter } = this.#options
    const wantedMs = ejectionMs * (endpoint.recentEjections + 1)
    // What is at the longest already is not counted further: it would take as many quiet intervals to
    // forget.
    if (wantedMs < maxEjectionMs) endpoint.recentEjections += 1
    const forMs = Math.min(wantedMs, maxEjectionMs) * (1 + ejectionJitter * this.#random())
    endpoint.standing = { kind: 'ejected', until: now + forMs, because }
    this.#onChange({ type: 'ejected', index, reason, because, forMs })
  }

  #readmit(index: number, endpoint: TrackedEndpoint, isElsewhere: boolean): void {
    this.#ejected -= 1
    endpoint.standing = { kind: 'admitted' }
    endpoint.failuresInRow = 0
    endpoint.gatewayErrorsInRow = 0
    const because = isElsewhere
      ? 'a probe request of another process succeeded'
      : 'its probe request succeeded'
    this.#onChange({ type: 'readmitted', index, because, isElsewhere })
  }
}

function count(endpoint: TrackedEndpoint, outcome: TryOutcome, latencyMs: number | undefined): void {
  const { interval } = endpoint
  interval.requests += 1
  if (latencyMs !== undefined) {
    interval.latencyMs += latencyMs
    interval.answered += 1
  }
  if (outcome === 'success') {
    interval.successes += 1
    endpoint.failuresInRow = 0
    endpoint.gatewayErrorsInRow = 0
    return
  }
  endpoint.failuresInRow += 1
  const isGatewayError = outcome === 'gateway-error' || outcome === 'unreachable'
  endpoint.gatewayErrorsInRow = isGatewayError ? endpoint.gatewayErrorsInRow + 1 : 0
}
