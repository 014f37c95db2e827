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

export interface EndpointHealthParts {
  readonly outlier: OutlierOptions
  readonly checks: CheckRules
  readonly random: () => number
  readonly onChange: (change: HealthChange) => void
  /** Its requests have failed here, or a probe request succeeded: news for other processes. */
  readonly onEjected?: (index: number, because: string, forMs: number) => void
  readonly onReadmitted?: (index: number) => void
}

/** What is known of one endpoint beside what its requests say. */
interface KnownEndpoint {
  readonly check: CheckState
  readonly ejections: Partial<Record<EjectionReason, number>>
  /** -Infinity: it always was. */
  healthySince: number
}

/**
 * Which endpoints of an origin are healthy, over all its lanes: by what active checks found, and by what
 * became of requests.
 */
export class EndpointHealth {
  readonly #parts: EndpointHealthParts
  readonly #outliers: OutlierDetector
  readonly #known = new Map<number, KnownEndpoint>()
  #version = 0
  /** Of the call that is under way: what it changes happens then. */
  #now: number

  constructor(parts: EndpointHealthParts, now: number) {
    this.#parts = parts
    this.#now = now
    this.#outliers = new OutlierDetector(
      parts.outlier,
      parts.random,
      change => {
        const { index, because } = change
        if (change.type === 'readmitted') {
          if (!change.isElsewhere) parts.onReadmitted?.(index)
          return this.#changed(index, 'healthy', because)
        }
        const { reason, forMs } = change
        if (reason !== 'elsewhere') parts.onEjected?.(index, because, forMs)
        const ejections = this.#known.get(index)?.ejections
        if (ejections !== undefined) ejections[reason] = (ejections[reason] ?? 0) + 1
        this.#changed(index, 'ejected', `${because}; for ${(forMs / 1_000).toFixed(1)} s`)
      },
      now,
    )
  }

  /** It is healthy until something speaks against it. */
  add(index: number): void {
    const { checks, random } = this.#parts
    this.#known.set(index, { check: new CheckState(checks, random), ejections: {}, healthySince: -Infinity })
    this.#outliers.add(index)
  }

  /** It is gone, and its number comes no more. */
  remove(index: number): void {
    this.#known.delete(index)
    this.#outliers.remove(index)
    this.#version += 1
  }

  /** Another number whenever another endpoint is healthy: for who keeps a list. */
  get version(): number {
    return this.#version
  }

  isHealthy(index: number): boolean {
    return this.#outliers.isAdmitted(index) && this.#known.get(index)?.check.isHealthy !== false
  }

  /**
   * It was ejected, and its checks do not speak against it: a request is to find out whether it is back.
   */
  awaitsProbe(index: number): boolean {
    return !this.#outliers.isAdmitted(index) && this.#known.get(index)?.check.isHealthy !== false
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

  /** See OutlierDetector. */
  onEjectedElsewhere(index: number, because: string, forMs: number, now: number): void {
    this.#now = now
    this.#outliers.onEjectedElsewhere(index, because, forMs, now)
  }

  onReadmittedElsewhere(index: number, now: number): void {
    this.#now = now
    this.#outliers.onReadmittedElsewhere(index)
  }

  /** Since when it is healthy; -Infinity: it always was. */
  healthySince(index: number): number {
    return this.#known.get(index)?.healthySince ?? -Infinity
  }

  /** What became of a request there; see OutlierDetector. */
  onOutcome(index: number, outcome: TryOutcome, latencyMs: number | undefined, now: number): void {
    this.#now = now
    this.#outliers.onOutcome(index, outcome, latencyMs, now)
  }

  /** When its next check is due. */
  nextCheckInMs(index: number): number {
    return this.#known.get(index)?.check.nextInMs() ?? 0
  }

  /** How an active check of it ended. */
  onChecked(index: number, result: CheckResult, now: number): void {
    this.#now = now
    if (this.#known.get(index)?.check.onResult(result) !== true) return
    this.#changed(index, result.isGood ? 'healthy' : 'unhealthy', `its check: ${result.because}`)
  }

  figures(index: number): HealthFigures {
    const { check, ejections } = this.#known.get(index) ?? {}
    const { kind, because } = this.#outliers.standingOf(index)
    const isUnhealthy = check?.isHealthy === false
    const standing = kind === 'admitted' ? 'healthy' : kind
    return {
      health: isUnhealthy ? 'unhealthy' : standing,
      healthBecause: isUnhealthy ? check.last?.because : because,
      ejections: { ...ejections },
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
      const known = this.#known.get(index)
      if (known !== undefined) known.healthySince = this.#now
    }
    this.#parts.onChange({ index, standing, because })
  }
}
