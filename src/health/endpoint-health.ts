import type { OutlierOptions } from '../base/options/health-options.ts'
import { type OutlierChange, OutlierDetector } from './outlier-detector.ts'
import type { TryOutcome } from './try-outcome.ts'

/** Why an endpoint takes requests, or takes none. */
export type EndpointStanding = 'healthy' | 'unhealthy' | 'ejected' | 'probing'

/** What changed: an ejection or its end, or that health is ignored from now on, or is not any more. */
export type HealthChange =
  | OutlierChange
  | { readonly type: 'panic'; readonly isOn: boolean; readonly because: string }

/**
 * Which endpoints of an origin (or of one tier of it) take requests: what active checks say, what became of
 * requests, and the panic threshold over both. Whatever fails, some endpoint always takes requests: without a
 * healthy one all do.
 */
export class EndpointHealth {
  readonly #options: OutlierOptions
  readonly #outliers: OutlierDetector
  /** By active checks. */
  readonly #unhealthy = new Set<string>()
  #keys: readonly string[] = []
  #healthy = 0
  #isPanicking = false

  constructor(options: OutlierOptions, random: () => number, now: number) {
    this.#options = options
    this.#outliers = new OutlierDetector(options, random, now)
  }

  /** The endpoints that there are now. Throws nothing away of those that stay. */
  setEndpoints(keys: readonly string[]): readonly HealthChange[] {
    this.#keys = [...new Set(keys)]
    for (const key of this.#unhealthy) if (!this.#keys.includes(key)) this.#unhealthy.delete(key)
    return this.#settle(this.#outliers.setEndpoints(this.#keys))
  }

  /** Fewer than `panicShare` are healthy: all take requests. */
  get isPanicking(): boolean {
    return this.#isPanicking
  }

  /** How many are neither ejected nor found unhealthy. */
  get healthy(): number {
    return this.#healthy
  }

  /** A request may go there now. On the hot path. */
  mayTake(key: string, now: number): boolean {
    if (this.#isPanicking || this.#healthy === this.#keys.length) return true
    return !this.#unhealthy.has(key) && this.#outliers.mayTake(key, now)
  }

  /** One whose ejection is over: the next request should go there, and decides. */
  probeDue(now: number): string | undefined {
    if (this.#healthy === this.#keys.length) return undefined
    const due = this.#outliers.probeDue(now)
    return due === undefined || this.#unhealthy.has(due) ? undefined : due
  }

  /** How it stands, panic left aside. */
  standingOf(key: string, now: number): EndpointStanding {
    if (this.#unhealthy.has(key)) return 'unhealthy'
    if (this.#outliers.isAdmitted(key)) return 'healthy'
    return this.#outliers.mayTake(key, now) ? 'probing' : 'ejected'
  }

  /** A request was sent there. */
  onSent(key: string, now: number): void {
    this.#outliers.onSent(key, now)
  }

  /** What became of it. `latencyMs`: until the head of its answer came; undefined: none did. */
  onOutcome(
    key: string,
    outcome: TryOutcome,
    latencyMs: number | undefined,
    now: number,
  ): readonly HealthChange[] {
    const changes = this.#outliers.onOutcome(key, outcome, latencyMs, now)
    return changes.length === 0 ? changes : this.#settle(changes)
  }

  /** Active checks have found it healthy or not. */
  onChecked(key: string, isHealthy: boolean): readonly HealthChange[] {
    if (!this.#keys.includes(key)) return []
    if (isHealthy) this.#unhealthy.delete(key)
    else this.#unhealthy.add(key)
    return this.#settle([])
  }

  assertConsistent(): void {
    this.#outliers.assertConsistent()
    if (this.#healthy !== this.#countHealthy()) throw new Error('the healthy endpoints are miscounted')
  }

  #countHealthy(): number {
    return this.#keys.filter(key => !this.#unhealthy.has(key) && this.#outliers.isAdmitted(key)).length
  }

  #settle(changes: readonly OutlierChange[]): readonly HealthChange[] {
    this.#healthy = this.#countHealthy()
    const total = this.#keys.length
    const isOn = total > 0 && (this.#healthy === 0 || this.#healthy < total * this.#options.panicShare)
    if (isOn === this.#isPanicking) return changes
    this.#isPanicking = isOn
    const because = `${this.#healthy} of ${total} endpoints are healthy`
    return [...changes, { type: 'panic', isOn, because }]
  }
}
