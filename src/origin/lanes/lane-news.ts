import type { Clock } from '../../base/clock.ts'
import type { Http3StatusName, Observer } from '../../base/events/observer.ts'
import { type HeaderList, headerValue } from '../../base/http/headers.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'

/** Exchanges that end this close to each other met the same way and the same load. */
const CLOSE_MS = 1
/** After one that is looked at, so many that end close behind it are passed over. */
const PASSED_OVER = 7
/** The first ones are all looked at: learning is about fifty requests. */
const FIRST = 256

/**
 * Which exchanges are samples for the choice of a lane. At a hundred thousand a second looking at each of
 * them took an eighth of the CPU of small requests, and said nothing that one in eight does not tell. Those
 * that fail are passed over alike, so that shares stay what they are.
 */
export class SampleThinning {
  #seen = 0
  #sampledAt = Number.NEGATIVE_INFINITY
  #passedOver = 0

  /** Whether the exchange that ends now is one. `isTrial`: a trial counts its requests. */
  takes(isTrial: boolean, now: number): boolean {
    if (
      !isTrial &&
      this.#seen >= FIRST &&
      now - this.#sampledAt < CLOSE_MS &&
      this.#passedOver < PASSED_OVER
    ) {
      this.#passedOver += 1
      return false
    }
    this.#seen += 1
    this.#sampledAt = now
    this.#passedOver = 0
    return true
  }
}

interface Http3StatusNewsParts {
  readonly origin: Origin
  readonly record: OriginRecord
  readonly observer: Observer
}

/** Reports what is thought of the alternative that HTTP/3 goes to: once per change. */
export class Http3StatusNews {
  readonly #parts: Http3StatusNewsParts
  #reported: { readonly key: string; readonly name: Http3StatusName } | undefined

  constructor(parts: Http3StatusNewsParts) {
    this.#parts = parts
  }

  /** How it is now. Undefined: there is none. */
  onLook(http3: { readonly key: string; readonly name: Http3StatusName } | undefined, now: number): void {
    if (http3 === undefined || (this.#reported?.key === http3.key && this.#reported.name === http3.name))
      return
    this.#reported = http3
    const { observer, origin, record } = this.#parts
    const because = record.http3Status(http3.key).because(now)
    observer({ type: 'http3-status', origin, alternative: http3.key, status: http3.name, because })
  }
}

/**
 * The same advertisement in every response is news once in this time: its lifetime counts from when it came
 * last.
 */
const REPEAT_MS = 60_000

/** Finds Alt-Svc in response heads (RFC 7838 section 3). A hundred responses a second say the same. */
export class AltSvcReader {
  #last = ''
  #readAt = Number.NEGATIVE_INFINITY

  /** What was read is void: the same is news again. */
  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /** Undefined: it says nothing new. */
  read(
    status: number,
    headers: HeaderList,
    clock: Clock,
  ): { readonly value: string; readonly ageSeconds: number } | undefined {
    const value = joinedValue(headers, 'alt-svc')
    if (value === undefined || status === 421) return undefined // RFC 7838 section 6: a 421 speaks for nobody
    const now = clock.now()
    if (value === this.#last && now - this.#readAt < REPEAT_MS) return undefined
    this.#last = value
    this.#readAt = now
    const age = Number(headerValue(headers, 'age') ?? 0)
    return { value, ageSeconds: Number.isFinite(age) && age > 0 ? age : 0 }
  }
}

/** Several lines of one field as one (RFC 9110 5.3). */
function joinedValue(headers: HeaderList, name: string): string | undefined {
  let joined: string | undefined
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] !== name) continue
    const value = headers[index + 1] ?? ''
    joined = joined === undefined ? value : `${joined}, ${value}`
  }
  return joined
}
