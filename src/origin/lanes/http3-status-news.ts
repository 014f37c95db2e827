import type { Http3StatusName, Observer } from '../../base/events/observer.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'

export interface Http3StatusNewsParts {
  readonly origin: Origin
  readonly record: OriginRecord
  readonly observer: Observer
}

/** Reports what is thought of the alternative that HTTP/3 goes to: once per change. */
export class Http3StatusNews {
  readonly #parts: Http3StatusNewsParts
  #told: { readonly key: string; readonly name: Http3StatusName } | undefined

  constructor(parts: Http3StatusNewsParts) {
    this.#parts = parts
  }

  /** How it is now. Undefined: there is none. */
  onLook(http3: { readonly key: string; readonly name: Http3StatusName } | undefined, now: number): void {
    if (http3 === undefined || (this.#told?.key === http3.key && this.#told.name === http3.name)) return
    this.#told = http3
    const { observer, origin, record } = this.#parts
    const because = record.http3Status(http3.key).because(now)
    observer({ type: 'http3-status', origin, alternative: http3.key, status: http3.name, because })
  }
}
