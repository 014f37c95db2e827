import type { OutlierOptions } from '../base/options/health-options.ts'
import { type CheckResult, type CheckRules, CheckState } from './check-state.ts'
import { type EjectionReason, OutlierDetector } from './outlier-detector.ts'
import type { TryOutcome } from './try-outcome.ts'

/**
 * What is thought of an endpoint. `unhealthy`: its checks fail; `ejected`: its requests failed; `probing`:
 * that is over, and one request finds out whether it is back.
 */
type EndpointStanding = 'healthy' | 'unhealthy' | 'ejected' | 'probing'

/** An endpoint stands otherwise from now on. */
export interface HealthChange {
  readonly index: number
  readonly standing: 'healthy' | 'unhealthy' | 'ejected'
  readonly because: string
}

/** What is shown of the health of one endpoint. */
export interface HealthFigures {
  readonly health: EndpointStanding
  /** Why it is not healthy. Undefined: it is. */
  readonly healthBecause: string | undefined
  /** By their reasons. */
  readonly ejections: Readonly<Partial<Record<EjectionReason, number>>>
  /** Checks that were made so far, and how the last one ended. Undefined: none was. */
  readonly checks: { readonly made: number; readonly failed: number; readonly last: string } | undefined
}

interface EndpointHealthParts {
  /** How many there are. */
  readonly count: number
  readonly outlier: OutlierOptions
  readonly checks: CheckRules
  readonly random: () => number
  readonly onChange: (change: HealthChange) => void
}

/**
 * Which endpoints of an origin are healthy, over all its lanes: by what active checks found, and by what
 * became of requests.
 */
export class EndpointHealth {
  readonly #onChange: (change: HealthChange) => void
  readonly #outliers: OutlierDetector
  readonly #checks: readonly CheckState[]
  readonly #ejections: Partial<Record<EjectionReason, number>>[]
  readonly #healthySince: number[]
  #version = 0
  /** Of the call that is under way: what it changes happens then. */
  #now: number

  constructor({ count, outlier, checks, random, onChange }: EndpointHealthParts, now: number) {
    this.#onChange = onChange
    this.#now = now
    this.#checks = Array.from({ length: count }, () => new CheckState(checks, random))
    this.#ejections = this.#checks.map(() => ({}))
    this.#healthySince = this.#checks.map(() => -Infinity)
    this.#outliers = new OutlierDetector(
      count,
      outlier,
      random,
      change => {
        const { index, because } = change
        if (change.type === 'readmitted') return this.#changed(index, 'healthy', because)
        const { reason, forMs } = change
        const ejections = this.#ejections[index]
        if (ejections !== undefined) ejections[reason] = (ejections[reason] ?? 0) + 1
        this.#changed(index, 'ejected', `${because}; for ${(forMs / 1_000).toFixed(1)} s`)
      },
      now,
    )
  }

  /** Another number whenever another endpoint is healthy: for who keeps a list. */
  get version(): number {
    return this.#version
  }

  isHealthy(index: number): boolean {
    return this.#outliers.isAdmitted(index) && this.#checks[index]?.isHealthy !== false
  }

  /**
   * It was ejected, and its checks do not speak against it: a request is to find out whether it is back.
   */
  awaitsProbe(index: number): boolean {
    return !this.#outliers.isAdmitted(index) && this.#checks[index]?.isHealthy !== false
  }

  /** That request may be sent now. */
  isProbeDue(index: number, now: number): boolean {
    return this.#outliers.isProbeDue(index, now)
  }

  /** That request is sent. */
  onProbeSent(index: number, now: number): void {
    this.#outliers.onProbeSent(index, now)
  }

  /** It could not be connected to, and can again. */
  onReconnected(index: number, now: number): void {
    this.#outliers.onReconnected(index, now)
  }

  /** Since when it is healthy; -Infinity: it always was. */
  healthySince(index: number): number {
    return this.#healthySince[index] ?? -Infinity
  }

  /** What became of a request there; see OutlierDetector. */
  onOutcome(index: number, outcome: TryOutcome, latencyMs: number | undefined, now: number): void {
    this.#now = now
    this.#outliers.onOutcome(index, outcome, latencyMs, now)
  }

  /** When its next check is due. */
  nextCheckInMs(index: number): number {
    return this.#checks[index]?.nextInMs() ?? 0
  }

  /** How an active check of it ended. */
  onChecked(index: number, result: CheckResult, now: number): void {
    this.#now = now
    if (this.#checks[index]?.onResult(result) !== true) return
    this.#changed(index, result.isGood ? 'healthy' : 'unhealthy', `its check: ${result.because}`)
  }

  figures(index: number): HealthFigures {
    const check = this.#checks[index]
    const { kind, because } = this.#outliers.standingOf(index)
    const isUnhealthy = check?.isHealthy === false
    const standing = kind === 'admitted' ? 'healthy' : kind
    return {
      health: isUnhealthy ? 'unhealthy' : standing,
      healthBecause: isUnhealthy ? check.last?.because : because,
      ejections: { ...this.#ejections[index] },
      checks:
        check?.last === undefined
          ? undefined
          : { made: check.made, failed: check.failed, last: check.last.because },
    }
  }

  /** For tests. */
  assertConsistent(): void {
    this.#outliers.assertConsistent()
  }

  #changed(index: number, standing: HealthChange['standing'], because: string): void {
    this.#version += 1
    if (standing === 'healthy') {
      // Its checks are good again, but its requests failed: those decide.
      if (!this.isHealthy(index)) return
      this.#healthySince[index] = this.#now
    }
    this.#onChange({ index, standing, because })
  }
}
