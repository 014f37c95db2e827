import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { parseOrigin } from '../../src/base/http/origin.ts'
import type { OriginOptions } from '../../src/base/options/options.ts'
import { judgeReplay, tryTimeout } from '../../src/exchange/replay-rules.ts'
import { Admission, type Admitted } from '../../src/origin/admission/admission.ts'
import { SettingsBook } from '../../src/origin/origin-settings.ts'
import { RetryBudget } from '../../src/origin/retry-budget.ts'

const WORKERS = 20
const SERVICE_MS = 10
/** Requests per ms that the origin can answer. */
const CAPACITY = WORKERS / SERVICE_MS
const TRY_MS = 200
const RUN_MS = 20_000

interface Request {
  readonly admitted: Admitted | undefined
  retries: number
  /** When its current try was sent. */
  sentAt: number
  isOver: boolean
}

/** A copy of a request at the origin, which works on it whether anybody still waits or not. */
interface Copy {
  readonly request: Request
  readonly sentAt: number
}

/**
 * An origin of 20 places and an endless queue gets `load` times what it can answer, on a clock that goes by
 * whole ms; a try is given up after 200 ms, and sent again as the replay rules, the budget and the breakers
 * allow. The last half is counted: answers in time over what the origin can answer, and copies over requests.
 */
function run(load: number, options: OriginOptions) {
  const settings = new SettingsBook({ defaults: options }).settingsFor(parseOrigin('https://shop.test'))
  const admission = Admission.of(settings, 0, () => {})
  const budget = new RetryBudget(settings.retry, 0)
  const { maxRetries, maxUnanswered } = settings.retry
  const queue: Copy[] = []
  let head = 0
  const freeAt = new Float64Array(WORKERS)
  /** By the ms in which they end: copies, and tries that are given up. */
  const done = new Map<number, Copy[]>()
  const due = new Map<number, Copy[]>()
  const counted = { good: 0, admitted: 0, copies: 0 }
  let now = 0
  const isCounted = (): boolean => now >= RUN_MS / 2

  const put = (map: Map<number, Copy[]>, at: number, copy: Copy): void => {
    const list = map.get(at)
    if (list === undefined) map.set(at, [copy])
    else list.push(copy)
  }
  const send = (request: Request): void => {
    request.sentAt = now
    const copy = { request, sentAt: now }
    queue.push(copy)
    put(due, now + TRY_MS, copy)
    if (isCounted()) counted.copies += 1
  }
  const end = (request: Request, status: number, error: TransportError | undefined): void => {
    request.isOver = true
    request.admitted?.end(status, now - request.sentAt, error, now)
  }
  const isStale = ({ request, sentAt }: Copy): boolean => request.isOver || request.sentAt !== sentAt

  for (; now < RUN_MS; now += 1) {
    for (const copy of done.get(now) ?? []) {
      if (isStale(copy)) continue
      end(copy.request, 200, undefined)
      if (isCounted()) counted.good += 1
    }
    for (const copy of due.get(now) ?? []) {
      if (isStale(copy)) continue
      const { request } = copy
      const error = tryTimeout(TRY_MS)
      const verdict = judgeReplay({
        error,
        method: 'GET',
        isBodyReplayable: true,
        beforeLease: false,
        reused: true,
        isConnectionEnding: false,
        isPathDead: false,
        isLostInMove: false,
        isCallerCommitted: false,
        retries: request.retries,
        maxRetries,
        maxUnanswered,
        wasEarly: false,
        hasOtherLane: false,
      })
      if (verdict.replay && request.admitted?.mayRetry(now) !== false && budget.withdraw(now)) {
        request.retries += 1
        request.admitted?.onRetry(verdict.reason)
        send(request)
      } else end(request, 0, error)
    }
    done.delete(now)
    due.delete(now)
    for (let i = 0; i < load * CAPACITY; i += 1) {
      const admitted = admission?.admit(now)
      if (admitted instanceof TransportError) continue
      budget.deposit()
      if (isCounted()) counted.admitted += 1
      send({ admitted, retries: 0, sentAt: now, isOver: false })
    }
    for (const [worker, at] of freeAt.entries()) {
      if (at > now || head === queue.length) continue
      const copy = queue[head]!
      head += 1
      freeAt[worker] = now + SERVICE_MS
      put(done, now + SERVICE_MS, copy)
    }
  }
  return {
    goodput: counted.good / (CAPACITY * (RUN_MS / 2)),
    copiesPerRequest: counted.copies / counted.admitted,
  }
}

describe('an origin that gets three times what it can answer', () => {
  it('answers hardly any request in time where nothing bounds the requests', () => {
    expect(run(3, {}).goodput).toBeLessThan(0.1)
  })

  it('keeps nine tenths of its capacity with the limit of concurrency', () => {
    const { goodput, copiesPerRequest } = run(3, { concurrency: { limit: 'gradient' } })
    expect(goodput).toBeGreaterThan(0.9)
    expect(copiesPerRequest).toBeLessThan(1.2)
  })

  it('keeps nine tenths of its capacity with a breaker at its capacity', () => {
    const { goodput } = run(3, { breakers: { maxRequests: 2 * WORKERS, maxRetries: 2 } })
    expect(goodput).toBeGreaterThan(0.9)
  })

  it('is sent no more copies than the retry budget allows, whatever fails', () => {
    const { copiesPerRequest } = run(3, {})
    expect(copiesPerRequest).toBeLessThanOrEqual(1.21)
  })
})
