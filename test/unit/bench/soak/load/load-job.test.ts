import { describe, expect, it } from 'vitest'
import { AnswerCheck } from '../../../../../bench/soak/load/answer-check.ts'
import {
  drawRequest,
  MAX_FAILURES,
  MAX_SLOWEST,
  type SoakRequest,
} from '../../../../../bench/soak/load/load-job.ts'
import { LoadTally, type SentRequest } from '../../../../../bench/soak/load/load-tally.ts'
import { ANSWER_SIZES, plannedOrigin, REQUEST_SIZES } from '../../../../../bench/soak/plan.ts'
import { seededRandom } from '../../../../../src/base/seeded-random.ts'

const REQUEST: SoakRequest = {
  id: 'a-1',
  method: 'GET',
  host: 'healthy.soak.test',
  path: '/soak/a-1?size=4',
  bodyBytes: 0,
  answerBytes: 4,
  readsSlowly: false,
}

describe('drawRequest', () => {
  it('draws the same requests from the same seed, of all methods and sizes', () => {
    const draw = (seed: number): SoakRequest[] => {
      const random = seededRandom(seed)
      return Array.from({ length: 3_000 }, (_, i) => drawRequest(plannedOrigin('closing'), `c-${i}`, random))
    }
    const requests = draw(1)
    expect(draw(1)).toEqual(requests)
    expect(draw(2)).not.toEqual(requests)
    expect(new Set(requests.map(({ method }) => method))).toEqual(new Set(['GET', 'HEAD', 'POST', 'PUT']))
    expect(new Set(requests.map(({ answerBytes }) => answerBytes))).toEqual(
      new Set(ANSWER_SIZES.map(([size]) => size)),
    )
    expect(new Set(requests.map(({ bodyBytes }) => bodyBytes))).toEqual(
      new Set([0, ...REQUEST_SIZES.map(([size]) => size)]),
    )
    for (const { method, bodyBytes } of requests)
      expect(bodyBytes > 0).toBe(method === 'POST' || method === 'PUT')
  })
})

describe('AnswerCheck', () => {
  const head = { status: 200, id: 'a-1', bodyVerdict: '', proxyStatus: '' }
  const check = (request: Partial<SoakRequest> = {}): AnswerCheck =>
    new AnswerCheck({ ...REQUEST, ...request }, Buffer.from('abcd'))

  it('accepts the very bytes that were asked for, in whatever pieces', () => {
    const answer = check()
    answer.onHead(head)
    answer.onData(Buffer.from('ab'))
    answer.onData(Buffer.from('cd'))
    expect(answer.onEnd()).toEqual({ kind: 'answered' })
  })

  it.each([
    ['another id', { ...head, id: 'a-2' }, 'abcd'],
    ['other bytes', head, 'abcX'],
    ['fewer bytes', head, 'abc'],
    ['more bytes', head, 'abcde'],
  ])('finds %s wrong', (_, sentHead, body) => {
    const answer = check()
    answer.onHead(sentHead)
    answer.onData(Buffer.from(body))
    expect(answer.onEnd().kind).toBe('wrong')
  })

  it('expects no body for HEAD', () => {
    const answer = check({ method: 'HEAD' })
    answer.onHead(head)
    expect(answer.onEnd()).toEqual({ kind: 'answered' })
  })

  it("tells an answer that was cut off from none at all, and both from a client's timeout", () => {
    const cut = check()
    cut.onHead(head)
    cut.onData(Buffer.from('ab'))
    expect(cut.onError('reset', false)).toEqual({ kind: 'truncated', message: 'reset after 2 bytes' })
    expect(check().onError('reset', false)).toEqual({ kind: 'connection', message: 'reset' })
    expect(check().onError('late', true)).toEqual({ kind: 'no-answer', message: 'late' })
  })

  it('reads the code out of an answer of the connector, and takes whatever others write', () => {
    const own = check()
    own.onHead({ ...head, status: 502, id: '' })
    own.onData(Buffer.from('{"error":{"code":"MM_REFUSED",'))
    own.onData(Buffer.from('"message":"no"}}'))
    expect(own.onEnd()).toEqual({ kind: 'status', status: 502, code: 'MM_REFUSED', message: 'no' })
    const other = check()
    other.onHead({ ...head, status: 502, id: '' })
    other.onData(Buffer.from('<html>'))
    expect(other.onEnd()).toEqual({ kind: 'status', status: 502, code: '', message: '<html>' })
  })

  it('reads the code of an answer to HEAD out of Proxy-Status', () => {
    const answer = check({ method: 'HEAD' })
    const proxyStatus = 'middlemile; error=connection_terminated; details="MM_REFUSED: no"'
    answer.onHead({ ...head, status: 502, proxyStatus })
    expect(answer.onEnd()).toMatchObject({ kind: 'status', status: 502, code: 'MM_REFUSED' })
  })

  it('reports a body that reached the origin changed', () => {
    const answer = check({ method: 'POST' })
    answer.onHead({ ...head, status: 400, bodyVerdict: 'wrong' })
    expect(answer.onEnd().kind).toBe('wrong')
  })
})

describe('LoadTally', () => {
  const sent = (tookMs: number, changes: Partial<SoakRequest> = {}): SentRequest => ({
    origin: 'healthy',
    request: { ...REQUEST, ...changes },
    protocol: 'h2',
    startedAt: 1_000,
    tookMs,
    leftMs: 0,
    isNew: false,
  })

  it('counts by origin and method, and keeps the times of what was answered to those who read', () => {
    const tally = new LoadTally()
    tally.record(sent(5), { kind: 'answered' })
    tally.record(sent(500, { readsSlowly: true }), { kind: 'answered' })
    tally.record(sent(7, { method: 'POST' }), {
      kind: 'status',
      status: 502,
      code: 'MM_REFUSED',
      message: 'm',
    })
    const [healthy] = tally.origins()
    expect([healthy?.requests, healthy?.methods, healthy?.times.count]).toEqual([3, { GET: 2, POST: 1 }, 1])
    expect(tally.failures).toMatchObject([
      { id: 'a-1', method: 'POST', status: 502, code: 'MM_REFUSED', startedAt: 1_000, endedAt: 1_007 },
    ])
    expect(tally.slowest.map(({ tookMs, outcome }) => [tookMs, outcome])).toEqual([
      [7, '502 MM_REFUSED'],
      [5, 'answered'],
    ])
  })

  it('keeps the slowest in order, and no more than its bound', () => {
    const tally = new LoadTally()
    for (let i = 0; i < 200; i++) tally.record(sent((i * 37) % 200), { kind: 'answered' })
    expect(tally.slowest.map(({ tookMs }) => tookMs)).toEqual(
      Array.from({ length: MAX_SLOWEST }, (_, i) => 199 - i),
    )
  })

  it('counts failures beyond its bound without keeping them', () => {
    const tally = new LoadTally()
    for (let i = 0; i < MAX_FAILURES + 2; i++) tally.record(sent(1), { kind: 'truncated', message: '' })
    expect([tally.failures.length, tally.failuresLeftOut]).toEqual([MAX_FAILURES, 2])
  })
})
