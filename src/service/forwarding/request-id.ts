import { type HeaderList, headerValue } from '../../entry/dispatch.ts'

/** What stands in logs and in the request to the origin: visible ASCII, and not too much of it. */
const WELL_FORMED = /^[\x21-\x7e]{1,128}$/

/** The name of a request, which goes on to the origin: the client's, or a new one. */
export class RequestIds {
  readonly #fieldName: string
  readonly #make: () => string

  /** `fieldName` in lower case. `make` gives one that no other request has. */
  constructor(fieldName: string, make: () => string) {
    this.#fieldName = fieldName
    this.#make = make
  }

  /** The client's, if it is well-formed, or a new one. */
  of(headers: HeaderList): string {
    const given = headerValue(headers, this.#fieldName)
    return given !== undefined && WELL_FORMED.test(given) ? given : this.#make()
  }

  /** The fields with this id and no other; the same list where they have it already. */
  withId(headers: HeaderList, id: string): HeaderList {
    let found = 0
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === this.#fieldName) found++
    if (found === 0) return headers.concat(this.#fieldName, id)
    if (found === 1 && headerValue(headers, this.#fieldName) === id) return headers
    const others = headers.filter((_, at) => headers[at & ~1] !== this.#fieldName)
    return others.concat(this.#fieldName, id)
  }
}
