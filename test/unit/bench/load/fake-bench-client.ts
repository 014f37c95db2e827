import type {
  BenchClient,
  ClientFacts,
  RequestEnd,
  RequestWatch,
} from '../../../../src/bench/load/bench-client.ts'
import type { LoadJob, RequestKind } from '../../../../src/bench/load/load-job.ts'
import type { FakeClock } from '../../../../src/testing/fake-clock.ts'

export const GOOD: RequestEnd = { status: 200, bytes: 10, protocol: 'h2' }

export const REQUEST: RequestKind = { label: 'one', method: 'GET', path: '/' }

export const JOB: LoadJob = {
  requests: [REQUEST],
  arrival: { kind: 'closed', concurrency: 1 },
  warmUp: { requests: 0, seconds: 0 },
  measure: { requests: 10, seconds: Number.POSITIVE_INFINITY },
  client: 'kept',
  deadlineSeconds: 60,
  seed: 1,
}

/** Answers as `answer` does. */
export class FakeBenchClient implements BenchClient {
  readonly sent: { request: RequestKind; origin: number }[] = []
  readonly #answer: (watch: RequestWatch, number: number) => void
  current: ClientFacts = {}
  closed = 0

  constructor(answer: (watch: RequestWatch, number: number) => void) {
    this.#answer = answer
  }

  send(request: RequestKind, origin: number, watch: RequestWatch): void {
    this.sent.push({ request, origin })
    this.#answer(watch, this.sent.length - 1)
  }

  facts(): ClientFacts {
    return this.current
  }

  async close(): Promise<void> {
    this.closed++
  }
}

/**
 * A server that serves one after the other, each in a millisecond, and does nothing between `from` and `to`.
 */
export function stallingClient(clock: FakeClock, from: number, to: number): FakeBenchClient {
  let freeAt = 0
  return new FakeBenchClient(watch => {
    const ready = Math.max(clock.now(), freeAt)
    freeAt = (ready >= from && ready < to ? to : ready) + 1
    clock.setTimer(freeAt - clock.now(), () => {
      watch.onHead()
      watch.onEnd(GOOD)
    })
  })
}
