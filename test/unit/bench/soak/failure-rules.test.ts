import { describe, expect, it } from 'vitest'
import { type Evidence, judgeFailures } from '../../../../bench/soak/failure-rules.ts'
import type { FailedRequest } from '../../../../bench/soak/load/load-job.ts'
import type { OriginName } from '../../../../bench/soak/plan.ts'

function failed(changes: Partial<FailedRequest> = {}): FailedRequest {
  return {
    origin: 'healthy',
    id: 'a-1',
    method: 'GET',
    protocol: 'http/1.1',
    kind: 'status',
    status: 502,
    code: 'MM_CONNECTION_CLOSED',
    message: '',
    bodyBytes: 0,
    startedAt: 10_000,
    endedAt: 10_100,
    leftMs: 0,
    isNew: false,
    ...changes,
  }
}

function evidence(
  changes: { faults?: [string, string][]; down?: [OriginName, number, number]; writes?: number } = {},
): Evidence {
  const { faults = [], down, writes = 0 } = changes
  return {
    record: () => ({ processed: new Map(), faults: new Map(faults) }),
    downtimes: down === undefined ? [] : [{ origin: down[0], from: down[1], to: down[2] }],
    writes: () => writes,
  }
}

/** The names of the rules that the failures fell under, and how many are too many. */
function verdicts(
  failures: readonly FailedRequest[],
  known = evidence(),
): [rule: string, count: number, excess: number][] {
  return judgeFailures(failures, known)
    .filter(({ count }) => count > 0)
    .map(({ rule, count, excess }) => [rule.name, count, excess])
}

describe('judgeFailures', () => {
  it('allows no GET to fail whose origin was up', () => {
    expect(verdicts([failed(), failed({ method: 'HEAD' })])).toEqual([['failed GET', 2, 2]])
    expect(verdicts([failed({ origin: 'closing' })])).toEqual([['failed GET', 1, 1]])
  })

  it('allows no request with a body to fail where the origin never closes without notice', () => {
    expect(verdicts([failed({ method: 'POST' }), failed({ method: 'PUT' })])).toEqual([
      ['failed write', 2, 2],
    ])
  })

  it('allows an origin that closes its share of requests with a body, and three more by chance', () => {
    const lost = Array.from({ length: 6 }, () => failed({ origin: 'short-keepalive', method: 'POST' }))
    expect(verdicts(lost, evidence({ writes: 1_000 }))).toEqual([['lost write', 6, 1]]) // 2 of 200, and 3
    expect(verdicts(lost, evidence({ writes: 1_500 }))).toEqual([['lost write', 6, 0]])
  })

  it('recognizes an answer that the origin spoiled on purpose only where the origin logged it and an answer came', () => {
    const known = evidence({ faults: [['a-1', 'truncated']] })
    expect(verdicts([failed()], known)).toEqual([['spoiled answer', 1, 0]])
    expect(verdicts([failed({ kind: 'truncated', status: 0 })], known)).toEqual([['spoiled answer', 1, 0]])
    expect(verdicts([failed({ kind: 'connection', status: 0 })], known)).toEqual([
      ['client connection lost', 1, 1],
    ])
    expect(verdicts([failed({ id: 'a-2' })], known)).toEqual([['failed GET', 1, 1]])
  })

  it('expects a GET that the origin left unanswered to be sent again, and a POST to fail', () => {
    const known = evidence({ faults: [['a-1', 'unanswered']] })
    const closing = { origin: 'closing' } as const
    expect(verdicts([failed(closing)], known)).toEqual([['failed GET', 1, 1]])
    expect(verdicts([failed({ ...closing, method: 'POST' })], known)).toEqual([['unanswered write', 1, 0]])
  })

  it('tells an origin that was down from one that had just come back, and from one that is back', () => {
    const known = evidence({ down: ['killed', 10_050, 10_200] })
    const at = (startedAt: number): FailedRequest =>
      failed({ origin: 'killed', startedAt, endedAt: startedAt + 50 })
    expect(verdicts([at(10_000)], known)).toEqual([['origin down', 1, 0]])
    expect(verdicts([at(9_999)], known)).toEqual([['failed GET', 1, 1]])
    expect(verdicts([at(10_199)], known)).toEqual([['origin down', 1, 0]])
    expect(verdicts([at(10_200)], known)).toEqual([['origin just back', 1, 0]])
    expect(verdicts([at(11_199)], known)).toEqual([['origin just back', 1, 0]])
    expect(verdicts([at(11_200)], known)).toEqual([['failed GET', 1, 1]])
  })

  it("never allows a wrong answer, none at all, a queue that ran over, or an answer cut off, whatever the origin's state", () => {
    const known = evidence({ down: ['healthy', 0, 1] })
    expect(
      verdicts(
        [
          failed({ kind: 'wrong', status: 0 }),
          failed({ kind: 'no-answer', status: 0 }),
          failed({ status: 503, code: 'MM_QUEUE_TIMEOUT' }),
          failed({ kind: 'truncated', status: 0 }),
        ],
        known,
      ),
    ).toEqual([
      ['wrong answer', 1, 1],
      ['no answer', 1, 1],
      ['overload', 1, 1],
      ['truncated', 1, 1],
    ])
  })

  it('counts where and how, and keeps a few examples', () => {
    const failures = [failed(), failed(), failed(), failed({ origin: 'slow', code: '', status: 504 })]
    const found = judgeFailures(failures, evidence()).find(({ rule }) => rule.name === 'failed GET')
    expect(found?.byOrigin).toEqual(
      new Map([
        ['healthy', 3],
        ['slow', 1],
      ]),
    )
    expect(found?.byOutcome).toEqual(
      new Map([
        ['502 MM_CONNECTION_CLOSED', 3],
        ['504', 1],
      ]),
    )
    expect(found?.examples).toEqual(failures.slice(0, 3))
  })
})
