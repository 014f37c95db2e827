import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { FastOpenReport } from '../../connect/fast-open/fast-open-report.ts'
import { age, type KnownFact } from '../../select/evidence/evidence.ts'

/** An origin has a handful. */
const MAX_ENDPOINTS = 32

/** What became of TCP Fast Open to an origin, the last time at each endpoint. */
export class FastOpenNews {
  readonly #last = new Map<string, FastOpenReport & { readonly at: number }>()

  onReport(endpoint: Endpoint, report: FastOpenReport, now: number): void {
    const key = formatEndpoint(endpoint)
    this.#last.delete(key)
    this.#last.set(key, { ...report, at: now })
    if (this.#last.size <= MAX_ENDPOINTS) return
    const first = this.#last.keys().next()
    if (first.done !== true) this.#last.delete(first.value)
  }

  /** For `explain`. */
  facts(now: number): KnownFact[] {
    return Array.from(this.#last, ([endpoint, { outcome, because, at }]) => ({
      fact: `TCP Fast Open to ${endpoint} was ${outcome === 'used' ? 'used' : 'asked for and not used'}: ${because}`,
      evidence: `the last connect, ${age(now - at)}`,
    }))
  }
}
