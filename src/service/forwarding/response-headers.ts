import { type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import type { Protocol } from '../../index.ts'
import type { OwnName } from './own-response.ts'

/**
 * Writes the fields of a forwarded response.
 * 1. Alt-Svc of the origin goes no further: it is about the origin's host and port, and clients would take it
 *    for a port of ours (RFC 7838 2.1).
 * 2. Via is appended, by what the origin spoke (RFC 9110 7.6.3: each entry names the protocol in which the
 *    message was received; HTTP/2 and HTTP/3 have no minor version). An origin's own Via stays in front of it,
 *    as another line of the same list.
 *
 * A connection that speaks HTTP/2 hands out the same list for the same head again, and encoders remember what
 * they wrote for a list. So the last answer is kept: equal heads in a row stay one list all the way.
 */
export class ResponseHeaders {
  readonly #fields: Readonly<Record<Protocol, HeaderList>>
  #lastHeaders: HeaderList = NO_HEADERS
  #lastProtocol: Protocol = 'http/1.1'
  #lastResult: HeaderList

  constructor(name: OwnName) {
    this.#fields = {
      'http/1.1': ['via', `1.1 ${name.viaEntry}`],
      h2: ['via', `2 ${name.viaEntry}`],
      h3: ['via', `3 ${name.viaEntry}`],
    }
    this.#lastResult = this.#fields['http/1.1']
  }

  rewrite(headers: HeaderList, protocol: Protocol): HeaderList {
    if (headers !== this.#lastHeaders || protocol !== this.#lastProtocol) {
      this.#lastHeaders = headers
      this.#lastProtocol = protocol
      this.#lastResult = withoutAltSvc(headers).concat(this.#fields[protocol])
    }
    return this.#lastResult
  }
}

/** The same list where it names none, as most do. */
export function withoutAltSvc(headers: HeaderList): HeaderList {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === 'alt-svc') return headers.filter((_, at) => headers[at & ~1] !== 'alt-svc')
  }
  return headers
}
