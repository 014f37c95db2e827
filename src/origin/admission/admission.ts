import { TransportError } from '../../base/errors.ts'
import type { RefusedBy, RetryReason } from '../../base/events/observer.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { Breaker, type BreakerFigures } from './breaker.ts'
import { type ConcurrencyFigures, GradientLimiter } from './gradient-limiter.ts'
import { RefusalNews } from './refusal-news.ts'

/** What is shown of the admission of an origin. */
export interface AdmissionFigures {
  readonly breakers: { readonly requests: BreakerFigures; readonly retries: BreakerFigures }
  /** Undefined: `concurrency.limit` is off. */
  readonly concurrency: ConcurrencyFigures | undefined
}

const NO_BREAKER: BreakerFigures = { limit: 0, used: 0, refused: 0 }

/** Of an origin that bounds nothing. */
export const NO_ADMISSION: AdmissionFigures = {
  breakers: { requests: NO_BREAKER, retries: NO_BREAKER },
  concurrency: undefined,
}

/**
 * What a request passes before it asks for a connection: the breakers of its origin, and the limit of
 * concurrency. Whom it lets in holds its places until its end. Pure.
 */
export class Admission {
  readonly #requests: Breaker | undefined
  readonly #retries: Breaker | undefined
  readonly #limiter: GradientLimiter | undefined
  readonly #news: RefusalNews

  /**
   * Undefined: nothing is bounded, and requests pass without a look. `onRefused`: the first refusal since a
   * while, of each kind.
   */
  static of(
    { breakers, concurrency }: Pick<OriginSettings, 'breakers' | 'concurrency'>,
    now: number,
    onRefused: (by: RefusedBy, limit: number) => void,
  ): Admission | undefined {
    const { maxRequests, maxRetries } = breakers
    const limiter = concurrency.limit === 'gradient' ? new GradientLimiter(concurrency, now) : undefined
    if (maxRequests === 0 && maxRetries === 0 && limiter === undefined) return undefined
    return new Admission(breakerOf(maxRequests), breakerOf(maxRetries), limiter, onRefused)
  }

  private constructor(
    requests: Breaker | undefined,
    retries: Breaker | undefined,
    limiter: GradientLimiter | undefined,
    onRefused: (by: RefusedBy, limit: number) => void,
  ) {
    this.#requests = requests
    this.#retries = retries
    this.#limiter = limiter
    this.#news = new RefusalNews(onRefused)
  }

  /** The places of a request; an error: it gets none, and nothing was done for it. */
  admit(now: number): Admitted | TransportError {
    if (this.#requests?.take() === false) {
      const { limit } = this.#requests.figures()
      this.#news.onRefused('requests', limit, now)
      const message = `${limit} requests to this origin are under way already (breakers.maxRequests)`
      return new TransportError('MM_BREAKER_OPEN', message, { processed: 'no' })
    }
    if (this.#limiter?.take() === false) {
      this.#requests?.give()
      const { limit } = this.#limiter
      this.#news.onRefused('concurrency', limit, now)
      const message = `the origin bears ${limit} requests at a time just now (concurrency.limit)`
      return new TransportError('MM_CONCURRENCY_LIMIT', message, { processed: 'no' })
    }
    return new Admitted(this)
  }

  figures(): AdmissionFigures {
    return {
      breakers: {
        requests: this.#requests?.figures() ?? NO_BREAKER,
        retries: this.#retries?.figures() ?? NO_BREAKER,
      },
      concurrency: this.#limiter?.figures(),
    }
  }

  /** For Admitted: one of those that were let in is sent again. */
  takeRetry(now: number): boolean {
    if (this.#retries?.take() !== false) return true
    this.#news.onRefused('retries', this.#retries.figures().limit, now)
    return false
  }

  /** For Admitted: it has ended. See GradientLimiter.give(). */
  give(wasRetried: boolean, latencyMs: number | undefined, isDrop: boolean, now: number): void {
    this.#requests?.give()
    if (wasRetried) this.#retries?.give()
    this.#limiter?.give(latencyMs, isDrop, now)
  }
}

/** One request that was let in, with what it holds. */
export class Admitted {
  readonly #admission: Admission
  #isRetried = false
  #isDropped = false

  constructor(admission: Admission) {
    this.#admission = admission
  }

  /** It is to be sent again; false: too many are. */
  mayRetry(now: number): boolean {
    if (this.#isRetried) return true
    this.#isRetried = this.#admission.takeRetry(now)
    return this.#isRetried
  }

  /** It is sent again: the origin dropped the try that its answer, or the lack of one, ended. */
  onRetry(reason: RetryReason): void {
    if (reason === 'status' || reason === 'try-timeout') this.#isDropped = true
  }

  /**
   * It has ended; not to be used any more. `status`: 0 where no answer came. `latencyMs`: until the head of
   * its answer came.
   */
  end(status: number, latencyMs: number, error: TransportError | undefined, now: number): void {
    const isDropped = this.#isDropped || isDrop(status, error)
    this.#admission.give(this.#isRetried, status === 0 ? undefined : latencyMs, isDropped, now)
  }
}

/** What the origin refused, or did not answer in time: it bears less than it gets. */
function isDrop(status: number, error: TransportError | undefined): boolean {
  if (error === undefined) return status === 503 || status === 429
  const { code } = error
  return code === 'MM_REFUSED' || code === 'MM_TRY_TIMEOUT' || code === 'MM_HEADERS_TIMEOUT'
}

function breakerOf(limit: number): Breaker | undefined {
  return limit === 0 ? undefined : new Breaker(limit)
}
