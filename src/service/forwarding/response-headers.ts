import { type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import type { Protocol } from '../../index.ts'
import type { OwnName } from './own-name.ts'

/**
 * Appends the Via field that every forwarded response gains, by what the origin spoke (RFC 9110 7.6.3: each
 * entry names the protocol in which the message was received; HTTP/2 and HTTP/3 have no minor version). An
 * origin's own Via stays in front of it, as another line of the same list.
 *
 * A connection that speaks HTTP/2 hands out the same list for the same head again, and encoders remember what
 * they wrote for a list. So the last answer is kept: equal heads in a row stay one list all the way.
 */
export class ResponseVia {
  readonly #fields: Readonly<Record<Protocol, HeaderList>>
  #lastHeaders: HeaderList = NO_HEADERS
  #lastProtocol: Protocol = 'http/1.1'
  #lastAppended: HeaderList

  constructor(name: OwnName) {
    this.#fields = {
      'http/1.1': ['via', `1.1 ${name.viaEntry}`],
      h2: ['via', `2 ${name.viaEntry}`],
      h3: ['via', `3 ${name.viaEntry}`],
    }
    this.#lastAppended = this.#fields['http/1.1']
  }

  append(headers: HeaderList, protocol: Protocol): HeaderList {
    if (headers !== this.#lastHeaders || protocol !== this.#lastProtocol) {
      this.#lastHeaders = headers
      this.#lastProtocol = protocol
      this.#lastAppended = headers.concat(this.#fields[protocol])
    }
    return this.#lastAppended
  }
}
