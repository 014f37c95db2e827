import type { Observer, PreconnectHinted } from '../../base/events/observer.ts'
import { guarded, guardedPromise } from '../../base/guard.ts'
import { combinedHeaderValue, type HeaderList } from '../../base/http/headers.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import type { OriginPools } from '../origin-pools.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { Hint, HintFigures, HintTarget, PreconnectHints } from './preconnect-hints.ts'

/** The same links in every response are news once in this time. */
const REPEAT_MS = 1_000
/** A connection that a hint opened is followed by another one no sooner. */
const MIN_INTERVAL_MS = 10_000
/** Where nobody used the last one, the time grows by this, */
const INTERVAL_GROWTH = 4
/** up to an hour. */
const MAX_INTERVAL_MS = 3_600_000

interface OriginHintsParts {
  readonly origin: Origin
  readonly settings: Pick<OriginSettings, 'preconnectHints'>
  readonly pools: OriginPools
  /** Of all origins. */
  readonly hints: Pick<PreconnectHints, 'hasTargets' | 'onLinks'>
  readonly observer: Observer
}

/** One origin and hints to preconnect: those in its responses, and those that name it. */
export class OriginHints implements HintTarget {
  readonly #parts: OriginHintsParts
  readonly #mayHint: boolean
  readonly #counts = { opened: 0, unused: 0, warm: 0, paced: 0, limited: 0, refused: 0 }
  // What it said
  #links = ''
  #readAt = Number.NEGATIVE_INFINITY
  // What was said of it
  #last: { readonly hint: Hint; readonly at: number; readonly requests: number } | undefined
  #intervalMs = MIN_INTERVAL_MS

  constructor(parts: OriginHintsParts) {
    this.#parts = parts
    this.#mayHint = parts.settings.preconnectHints === 'auto'
    this.#last = undefined
  }

  /** Its responses may mean somebody. Asked for each. */
  get isReading(): boolean {
    return this.#mayHint && this.#parts.hints.hasTargets
  }

  /** A head of a response of it. Never throws. */
  onHead(source: Hint['source'], headers: HeaderList, now: number): void {
    const links = combinedHeaderValue(headers, 'link')
    if (links === undefined || (links === this.#links && now - this.#readAt < REPEAT_MS)) return
    this.#links = links
    this.#readAt = now
    const { origin, hints } = this.#parts
    guarded('a hint to preconnect', () => hints.onLinks(origin, source, links, now))
  }

  onHinted(hint: Hint, mayOpen: () => boolean, now: number): void {
    const outcome = this.#judge(mayOpen, now)
    this.#counts[outcome] += 1
    if (outcome !== 'opened') return
    const { origin, pools, observer } = this.#parts
    const { requests } = pools.counters(now)
    const isUnused = this.#last?.requests === requests
    if (isUnused) this.#counts.unused += 1
    this.#intervalMs = isUnused
      ? Math.min(MAX_INTERVAL_MS, this.#intervalMs * INTERVAL_GROWTH)
      : MIN_INTERVAL_MS
    this.#last = { hint, at: now, requests }
    const event: PreconnectHinted = { type: 'preconnect-hinted', origin, ...hint }
    observer(event)
    const { pool } = pools.lanes.preferred(now)
    // How the connect goes is reported by itself, and nobody waits for it.
    guardedPromise('a hint to preconnect', pool.preconnect(1).catch(ignoreFailure))
  }

  figures(): HintFigures {
    return { ...this.#counts }
  }

  /** For `explain`. */
  facts(now: number): KnownFact[] {
    if (this.#last === undefined) return []
    const { hint, at } = this.#last
    const { opened, unused } = this.#counts
    const where = hint.source === 'early-hints' ? 'Early Hints' : 'a response'
    const fact = `a connection was opened ahead, since ${hint.by} named the origin in ${where}`
    const seconds = Math.round((now - at) / 1000)
    const evidence =
      `Link with rel=preconnect, ${seconds} s ago; ${opened} were opened so far, ${unused} of them were not used; ` +
      `the next one not before ${this.#intervalMs / 1000} s after the last (preconnectHints)`
    return [{ fact, evidence }]
  }

  /**
   * 1. The operator wants none.
   * 2. There is a connection, its own or another origin's, or one is on its way.
   * 3. Connects fail, or a limit leaves no place: nobody else's connection ends for a hint.
   * 4. It is too soon.
   */
  #judge(mayOpen: () => boolean, now: number): Exclude<keyof HintFigures, 'unused'> {
    const { settings, pools } = this.#parts
    if (settings.preconnectHints === 'never') return 'refused'
    const all = pools.all()
    if (all.some(({ live, load }) => live > 0 || load.starting > 0 || load.waiters > 0)) return 'warm'
    if (pools.load.isFull || all.some(pool => pool.stats().backingOff)) return 'limited'
    if (this.#last !== undefined && now < this.#last.at + this.#intervalMs) return 'paced'
    return mayOpen() ? 'opened' : 'paced'
  }
}

function ignoreFailure(): void {}
