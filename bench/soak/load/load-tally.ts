import { Histogram } from '../../../src/bench/results/histogram.ts'
import type { OriginName } from '../plan.ts'
import type { Outcome } from './answer-check.ts'
import {
  type FailedRequest,
  MAX_FAILURES,
  MAX_SLOWEST,
  type OriginLoad,
  type SlowRequest,
  type SoakRequest,
} from './load-job.ts'

/** Where and when a request was made. */
export interface SentRequest {
  readonly origin: OriginName
  readonly request: SoakRequest
  readonly protocol: 'http/1.1' | 'h2'
  readonly startedAt: number
  readonly tookMs: number
  /** When it was written to a connection. */
  readonly leftMs: number | undefined
  /** Its connection was made for it. */
  readonly isNew: boolean
}

interface OriginTally {
  requests: number
  methods: Record<string, number>
  times: Histogram
}

/** Counts what came of the requests, in bounded memory. */
export class LoadTally {
  readonly failures: FailedRequest[] = []
  failuresLeftOut = 0
  requests = 0
  readonly #origins = new Map<OriginName, OriginTally>()
  /** Sorted, the longest first. */
  readonly #slowest: SlowRequest[] = []

  record(sent: SentRequest, outcome: Outcome): void {
    const { origin, request, tookMs } = sent
    this.requests++
    const tally = this.#tallyOf(origin)
    tally.requests++
    tally.methods[request.method] = (tally.methods[request.method] ?? 0) + 1
    if (outcome.kind !== 'answered') this.#recordFailure(sent, outcome)
    else if (!request.readsSlowly) tally.times.record(tookMs)
    // Slow readers take their time, and a name without an answer all of the proxy's.
    if (!request.readsSlowly && origin !== 'hanging') this.#recordSlow(sent, outcome)
  }

  get slowest(): readonly SlowRequest[] {
    return this.#slowest
  }

  origins(): OriginLoad[] {
    return Array.from(this.#origins, ([origin, { requests, methods, times }]) => ({
      origin,
      requests,
      methods,
      times: times.toRecord(),
    }))
  }

  #tallyOf(origin: OriginName): OriginTally {
    const known = this.#origins.get(origin)
    if (known !== undefined) return known
    const made = { requests: 0, methods: {}, times: new Histogram() }
    this.#origins.set(origin, made)
    return made
  }

  #recordFailure(
    { origin, request, protocol, startedAt, tookMs, leftMs, isNew }: SentRequest,
    outcome: Outcome,
  ): void {
    if (outcome.kind === 'answered') return
    if (this.failures.length >= MAX_FAILURES) {
      this.failuresLeftOut++
      return
    }
    this.failures.push({
      origin,
      id: request.id,
      method: request.method,
      protocol,
      kind: outcome.kind,
      status: outcome.kind === 'status' ? outcome.status : 0,
      code: outcome.kind === 'status' ? outcome.code : '',
      message: outcome.message,
      bodyBytes: request.bodyBytes,
      startedAt,
      endedAt: startedAt + tookMs,
      leftMs,
      isNew,
    })
  }

  #recordSlow({ origin, request, startedAt, tookMs, leftMs, isNew }: SentRequest, outcome: Outcome): void {
    const least = this.#slowest[MAX_SLOWEST - 1]
    if (least !== undefined && tookMs <= least.tookMs) return
    const { id, method } = request
    const before = this.#slowest.findIndex(slow => slow.tookMs < tookMs)
    const shown =
      outcome.kind === 'answered'
        ? 'answered'
        : outcome.kind === 'status'
          ? `${outcome.status} ${outcome.code}`
          : outcome.kind
    const slow = { origin, id, method, startedAt, tookMs, leftMs, isNew, outcome: shown }
    this.#slowest.splice(before === -1 ? this.#slowest.length : before, 0, slow)
    if (this.#slowest.length > MAX_SLOWEST) this.#slowest.pop()
  }
}
