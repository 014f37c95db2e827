import type { Clock } from '../base/clock.ts'
import { type HeaderList, headerValue } from '../base/http/headers.ts'

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
