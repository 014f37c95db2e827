import type { AnswerScope } from '../../balance/endpoint-set.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { asTransportError, type TransportError } from '../../base/errors.ts'
import { guardedPromise } from '../../base/guard.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../../base/http/endpoint.ts'

export interface NameWatchParts {
  readonly name: string
  readonly resolver: Resolver
  readonly clock: Clock
  /** The longest pause between two lookups; 0: the name is looked up when it is needed, and not again. */
  readonly refreshMs: number
  readonly onAnswer: (addresses: readonly ResolvedAddress[], scope: AnswerScope, source: string) => void
}

/** How the lookups of a name stand. */
interface NameLookups {
  /** Lookups that brought addresses. */
  readonly answered: number
  /** Those that brought none, or only an answer whose time is over: what was known stays. */
  readonly failed: number
  /** Why the last one failed. Undefined: it did not. */
  readonly lastError: string | undefined
  /** Since the last one that brought addresses. Undefined: none did. */
  readonly ageMs: number | undefined
}

/**
 * How one host name among the endpoints of an origin stands.
 *
 * @example
 * ```ts
 * for (const { endpointNames = [] } of transport.stats().pools)
 *   for (const { name, addresses, lastError } of endpointNames) console.log(name, addresses, lastError)
 * ```
 */
export interface EndpointNameFigures extends NameLookups {
  /** As the configuration has it. */
  readonly name: string
  /** Addresses that it has now, and that are endpoints. */
  readonly addresses: number
  /** Addresses that are none, for being more than `balance.maxAddressesPerName`, or than may be in all. */
  readonly ignored: number
}

/** Of answers that say less than all. */
const SCOPES: Readonly<Record<string, AnswerScope>> = { stale: 'outdated', 'dns-partial': 'one-family' }

/** Between a failed lookup and the next; twice as long each time. */
const FIRST_PAUSE_MS = 1_000
/** Answers that are kept for less are asked for no more often. */
const MIN_REFRESH_MS = 1_000

/** When a name is looked up again after an answer, or after so many failures in a row. Infinity: never. */
export function nextLookupMs(freshForMs: number | undefined, failures: number, refreshMs: number): number {
  if (refreshMs === 0) return Infinity
  if (failures > 0) return Math.min(refreshMs, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30))
  // What is kept no time at all says nothing of how often it changes.
  if (freshForMs === undefined || freshForMs === 0) return refreshMs
  return Math.min(refreshMs, Math.max(MIN_REFRESH_MS, freshForMs))
}

/**
 * Looks up one host name again and again, as long as its origin is in use: when its answer is not fresh any
 * more, or `refreshMs` is over. Its timer keeps no process alive.
 */
export class NameWatch {
  readonly #parts: NameWatchParts
  readonly #abort = new AbortController()
  #timer: Timer | undefined
  #underWay: Promise<void> | undefined
  #answered = 0
  #failed = 0
  #failuresInRow = 0
  #lastError: string | undefined
  #answeredAt: number | undefined

  constructor(parts: NameWatchParts) {
    this.#parts = parts
    this.#timer = undefined
    this.#underWay = undefined
    this.#lastError = undefined
    this.#answeredAt = undefined
  }

  /** Looks it up now. Who asks meanwhile waits for the same lookup. Rejects when that fails. */
  ask(): Promise<void> {
    this.#timer?.cancel()
    this.#underWay ??= this.#lookUp().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  /** The same for nobody in particular. */
  refresh(): void {
    // What failed stands in the figures.
    guardedPromise(
      'looking up a name of endpoints',
      this.ask().catch(() => {}),
    )
  }

  lookups(now: number): NameLookups {
    return {
      answered: this.#answered,
      failed: this.#failed,
      lastError: this.#lastError,
      ageMs: this.#answeredAt === undefined ? undefined : now - this.#answeredAt,
    }
  }

  close(): void {
    this.#timer?.cancel()
    this.#abort.abort()
  }

  async #lookUp(): Promise<void> {
    const { signal } = this.#abort
    let resolution: Resolution
    try {
      resolution = await this.#parts.resolver.resolve(this.#parts.name, signal)
    } catch (cause) {
      const error = asTransportError(cause, 'MM_DNS_FAILED', 'no')
      if (!signal.aborted) this.#onFailed(error)
      throw error
    }
    if (!signal.aborted) this.#onResolved(resolution)
  }

  #onResolved({ addresses, source, freshForMs }: Resolution): void {
    // Nobody gave another answer: it is no news, unless nothing is known yet.
    const isStale = source === 'stale'
    if (isStale) {
      this.#failed += 1
      this.#failuresInRow += 1
      this.#lastError = 'no server gave a new answer: the last one is used on'
    } else {
      this.#answered += 1
      this.#failuresInRow = 0
      this.#lastError = undefined
      this.#answeredAt = this.#parts.clock.now()
    }
    if (source !== 'override') this.#arm(freshForMs) // a fixed address does not change
    if (!isStale || this.#answeredAt === undefined)
      this.#parts.onAnswer(addresses, SCOPES[source] ?? 'all', source)
  }

  #onFailed({ message }: TransportError): void {
    this.#failed += 1
    this.#failuresInRow += 1
    this.#lastError = message
    this.#arm(undefined)
  }

  #arm(freshForMs: number | undefined): void {
    const { clock, refreshMs } = this.#parts
    const delayMs = nextLookupMs(freshForMs, this.#failuresInRow, refreshMs)
    if (delayMs !== Infinity) this.#timer = clock.setTimer(delayMs, () => this.refresh())
  }
}
