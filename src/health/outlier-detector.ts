import type { OutlierOptions } from '../base/options/health-options.ts'
import { type ComparisonReason, type IntervalCounts, outliers } from './outlier-comparison.ts'
import type { TryOutcome } from './try-outcome.ts'

/** Why an endpoint was ejected; a metric label. `probe-failed`: it was to come back, and failed again. */
export type EjectionReason =
  | 'consecutive-failures'
  | 'consecutive-gateway-errors'
  | 'probe-failed'
  | ComparisonReason

/** An endpoint takes no requests from now on, or takes them again. */
export type OutlierChange =
  | {
      readonly type: 'ejected'
      readonly key: string
      readonly reason: EjectionReason
      readonly because: string
      readonly forMs: number
    }
  | { readonly type: 'readmitted'; readonly key: string; readonly because: string }

/**
 * The passive health of one endpoint:
 *
 *     admitted ──► ejected ──► probing ──► admitted
 *                     ▲───────────┘
 */
type Standing =
  /** It takes requests. Valid transitions: ejected. */
  | { readonly kind: 'admitted' }
  /** It takes none until then, and a single one after that. Valid transitions: probing, admitted. */
  | { readonly kind: 'ejected'; readonly until: number }
  /**
   * One request is out that decides; when nothing is heard of it until `until`, another one may be. Valid
   * transitions: ejected, probing, admitted.
   */
  | { readonly kind: 'probing'; readonly until: number }

/** What is known of one endpoint. */
class TrackedEndpoint {
  standing: Standing = { kind: 'admitted' }
  failuresInRow = 0
  gatewayErrorsInRow = 0
  /** Ejections that still make the next one longer. */
  ejections = 0
  readonly interval: IntervalCounts = { requests: 0, successes: 0, latencyMs: 0, answered: 0 }

  startInterval(): void {
    this.interval.requests = 0
    this.interval.successes = 0
    this.interval.latencyMs = 0
    this.interval.answered = 0
  }
}

const NONE: readonly OutlierChange[] = []

/**
 * Passive outlier ejection over the endpoints of an origin, from what becomes of their requests. Pure: time and
 * randomness are arguments. It never ejects more than `maxEjectedShare` of them, and each ejection ends: after
 * its time the next request that is sent there decides.
 */
export class OutlierDetector {
  readonly #options: OutlierOptions
  readonly #random: () => number
  readonly #endpoints = new Map<string, TrackedEndpoint>()
  /** Those that are not admitted. */
  #ejected = 0
  #comparedAt: number

  constructor(options: OutlierOptions, random: () => number, now: number) {
    this.#options = options
    this.#random = random
    this.#comparedAt = now
  }

  /** The endpoints that there are now; what is known of one that stays is kept. */
  setEndpoints(keys: readonly string[]): readonly OutlierChange[] {
    const present = new Set(keys)
    for (const [key, { standing }] of this.#endpoints) {
      if (present.has(key)) continue
      if (standing.kind !== 'admitted') this.#ejected -= 1
      this.#endpoints.delete(key)
    }
    for (const key of present) if (!this.#endpoints.has(key)) this.#endpoints.set(key, new TrackedEndpoint())
    return this.#readmitSurplus()
  }

  /** How many take no requests, those that are probed included. */
  get ejected(): number {
    return this.#ejected
  }

  /** It counts as healthy: it was not ejected, or is back. */
  isAdmitted(key: string): boolean {
    return this.#endpoints.get(key)?.standing.kind === 'admitted'
  }

  /** A request may go there now: it is admitted, or its time is over and no other request probes it. */
  mayTake(key: string, now: number): boolean {
    const standing = this.#endpoints.get(key)?.standing
    return standing !== undefined && (standing.kind === 'admitted' || now >= standing.until)
  }

  /** An ejected one whose time is over, so that a request has to go there for it to come back. */
  probeDue(now: number): string | undefined {
    if (this.#ejected === 0) return undefined
    for (const [key, { standing }] of this.#endpoints)
      if (standing.kind !== 'admitted' && now >= standing.until) return key
    return undefined
  }

  /** A request was sent there. On the hot path. */
  onSent(key: string, now: number): void {
    if (this.#ejected === 0) return
    const endpoint = this.#endpoints.get(key)
    if (endpoint === undefined || endpoint.standing.kind === 'admitted' || now < endpoint.standing.until)
      return
    endpoint.standing = { kind: 'probing', until: now + this.#options.ejectionMs }
  }

  /** What became of one. `latencyMs`: until the head of its answer came; undefined: none did. */
  onOutcome(
    key: string,
    outcome: TryOutcome,
    latencyMs: number | undefined,
    now: number,
  ): readonly OutlierChange[] {
    const endpoint = this.#endpoints.get(key)
    if (endpoint === undefined) return NONE
    this.#count(endpoint, outcome, latencyMs)
    const { standing } = endpoint
    // What was under way before the ejection says nothing new; in a panic requests go to ejected ones as well.
    let changes = NONE
    if (standing.kind === 'probing') {
      changes =
        outcome === 'success'
          ? [this.#readmit(key, endpoint, 'its probe request succeeded')]
          : [this.#ejectAgain(key, endpoint, outcome, now)]
    } else if (standing.kind === 'admitted' && outcome !== 'success')
      changes = this.#judgeRow(key, endpoint, now)
    if (now - this.#comparedAt < this.#options.intervalMs) return changes
    return [...changes, ...this.#compare(now)]
  }

  assertConsistent(): void {
    const ejected = [...this.#endpoints.values()].filter(
      ({ standing }) => standing.kind !== 'admitted',
    ).length
    if (ejected !== this.#ejected || ejected > this.#mostEjected)
      throw new Error(`${ejected} ejected, ${this.#ejected} counted, ${this.#mostEjected} allowed`)
  }

  get #mostEjected(): number {
    return Math.floor(this.#endpoints.size * this.#options.maxEjectedShare)
  }

  #count(endpoint: TrackedEndpoint, outcome: TryOutcome, latencyMs: number | undefined): void {
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
    endpoint.gatewayErrorsInRow = outcome === 'server-error' ? 0 : endpoint.gatewayErrorsInRow + 1
  }

  #judgeRow(key: string, endpoint: TrackedEndpoint, now: number): readonly OutlierChange[] {
    const { consecutiveFailures, consecutiveGatewayErrors } = this.#options
    const { failuresInRow, gatewayErrorsInRow } = endpoint
    if (consecutiveGatewayErrors > 0 && gatewayErrorsInRow >= consecutiveGatewayErrors) {
      const because = `${gatewayErrorsInRow} gateway errors in a row`
      return this.#eject(key, endpoint, 'consecutive-gateway-errors', because, now)
    }
    if (consecutiveFailures > 0 && failuresInRow >= consecutiveFailures)
      return this.#eject(key, endpoint, 'consecutive-failures', `${failuresInRow} failures in a row`, now)
    return NONE
  }

  /** Over the interval that ends now. */
  #compare(now: number): readonly OutlierChange[] {
    const counts = new Map<string, IntervalCounts>()
    for (const [key, endpoint] of this.#endpoints)
      if (endpoint.standing.kind === 'admitted') counts.set(key, endpoint.interval)
    const changes: OutlierChange[] = []
    for (const { key, reason, because } of outliers(counts, this.#options)) {
      const endpoint = this.#endpoints.get(key)
      if (endpoint !== undefined) changes.push(...this.#eject(key, endpoint, reason, because, now))
    }
    const intervals = Math.floor((now - this.#comparedAt) / this.#options.intervalMs)
    for (const endpoint of this.#endpoints.values()) {
      endpoint.startInterval()
      if (endpoint.standing.kind === 'admitted')
        endpoint.ejections = Math.max(0, endpoint.ejections - intervals)
    }
    this.#comparedAt = now
    return changes
  }

  #eject(
    key: string,
    endpoint: TrackedEndpoint,
    reason: EjectionReason,
    because: string,
    now: number,
  ): readonly OutlierChange[] {
    if (this.#ejected >= this.#mostEjected) return NONE
    this.#ejected += 1
    return [this.#enterEjected(key, endpoint, reason, because, now)]
  }

  #ejectAgain(key: string, endpoint: TrackedEndpoint, outcome: TryOutcome, now: number): OutlierChange {
    const because = `its probe request failed: ${outcome}`
    return this.#enterEjected(key, endpoint, 'probe-failed', because, now)
  }

  #enterEjected(
    key: string,
    endpoint: TrackedEndpoint,
    reason: EjectionReason,
    because: string,
    now: number,
  ): OutlierChange {
    const { ejectionMs, maxEjectionMs, ejectionJitter } = this.#options
    const wantedMs = ejectionMs * (endpoint.ejections + 1)
    // What is at the longest already is not counted further: it would take as many quiet intervals to forget.
    if (wantedMs < maxEjectionMs) endpoint.ejections += 1
    const forMs = Math.min(wantedMs, maxEjectionMs) * (1 + ejectionJitter * this.#random())
    endpoint.standing = { kind: 'ejected', until: now + forMs }
    return { type: 'ejected', key, reason, because, forMs }
  }

  #readmit(key: string, endpoint: TrackedEndpoint, because: string): OutlierChange {
    this.#ejected -= 1
    endpoint.standing = { kind: 'admitted' }
    endpoint.failuresInRow = 0
    endpoint.gatewayErrorsInRow = 0
    return { type: 'readmitted', key, because }
  }

  /** With fewer endpoints fewer may be ejected: those come back first that would have anyway. */
  #readmitSurplus(): readonly OutlierChange[] {
    const surplus = this.#ejected - this.#mostEjected
    if (surplus <= 0) return NONE
    return [...this.#endpoints]
      .flatMap(([key, endpoint]) =>
        endpoint.standing.kind === 'admitted' ? [] : [{ key, endpoint, until: endpoint.standing.until }],
      )
      .sort((a, b) => a.until - b.until)
      .slice(0, surplus)
      .map(({ key, endpoint }) => this.#readmit(key, endpoint, 'fewer endpoints are left'))
  }
}
