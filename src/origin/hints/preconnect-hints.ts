import type { HintSource } from '../../base/events/observer.ts'
import { type Origin, originUrl } from '../../base/http/origin.ts'
import type { TransportOptions } from '../../base/options/transport-options.ts'
import { TokenBucket } from '../../http/multiplex/token-bucket.ts'
import { HintedOrigins } from './hinted-origins.ts'
import { readPreconnects } from './link-field.ts'

/** Connections that hints may open per second, over all origins; a burst of ten. */
const OPENED_PER_SECOND = 1

/** What a response of one origin said about another. */
export interface Hint {
  /** The key of the origin whose response it was. */
  readonly by: string
  readonly source: HintSource
}

/**
 * What became of the hints that named an origin (`Link: rel=preconnect` in responses of others).
 *
 * @example
 * ```ts
 * for (const { origin, hints } of transport.stats().pools) console.log(origin, hints.opened, hints.unused)
 * ```
 */
export interface HintFigures {
  /** A connection was opened. */
  readonly opened: number
  /** Of these, those that had carried no request when the next one was opened. */
  readonly unused: number
  /** There was a connection, or one was being made. */
  readonly warm: number
  /** Too soon after the last one here (10 s, longer if unused), or beyond one a second in all. */
  readonly paced: number
  /** A limit of connections was reached, or connects failed of late. */
  readonly limited: number
  /** `preconnectHints` of the origin is never. */
  readonly refused: number
}

/** An origin that hints may mean. */
export interface HintTarget {
  /** `mayOpen`: whether there is leave for one more connection; asked at most once, and counted then. */
  onHinted(hint: Hint, mayOpen: () => boolean, now: number): void
}

/**
 * Hints to preconnect (103 of RFC 8297, Link of RFC 8288) of all origins of a transport: finds out whom they
 * mean, and holds what they open to a rate.
 */
export class PreconnectHints {
  readonly #targetOf: (origin: Origin) => HintTarget | undefined
  readonly #opened = new TokenBucket(OPENED_PER_SECOND)
  #origins: HintedOrigins

  /** `targetOf`: undefined where there is no place for one more origin. */
  constructor(options: TransportOptions, targetOf: (origin: Origin) => HintTarget | undefined) {
    this.#targetOf = targetOf
    this.#origins = new HintedOrigins(options)
  }

  /** Origins are named by these options from now on. Throws MM_INVALID_ARGUMENT. */
  configure(options: TransportOptions): void {
    this.#origins = new HintedOrigins(options)
  }

  /** There is whom a response could mean. */
  get hasTargets(): boolean {
    return this.#origins.hasSeveral
  }

  /** `links`: the Link field of a response of `from`. */
  onLinks(from: Origin, source: HintSource, links: string, now: number): void {
    for (const target of readPreconnects(links)) {
      const origin = this.#origins.find(target, from.scheme)
      if (origin === undefined || origin.key === originUrl(from)) continue
      this.#targetOf(origin)?.onHinted({ by: from.key, source }, () => this.#opened.take(now), now)
    }
  }
}
