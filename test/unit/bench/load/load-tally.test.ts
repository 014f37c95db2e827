import { describe, expect, it } from 'vitest'
import type { RequestEnd } from '../../../../src/bench/load/bench-client.ts'
import type { RequestKind } from '../../../../src/bench/load/load-job.ts'
import { LoadTally, MAX_OBJECTS } from '../../../../src/bench/load/load-tally.ts'
import { GOOD, REQUEST } from './fake-bench-client.ts'

const STARTED_AT = 100

function tallied(request: RequestKind, ...ends: RequestEnd[]) {
  const tally = new LoadTally(STARTED_AT)
  ends.forEach((end, i) => tally.record(request, { dueAt: 100, headAt: 102 + i, endedAt: 105 + i }, end))
  return tally.report()
}

describe('the tally of a load', () => {
  it.each<[string, RequestKind, RequestEnd, string]>([
    [
      'an error with a code',
      REQUEST,
      { ...GOOD, error: Object.assign(new Error('no'), { code: 'E1' }) },
      'E1',
    ],
    ['an error without one', REQUEST, { ...GOOD, error: new TypeError('no') }, 'TypeError'],
    ['another status', REQUEST, { ...GOOD, status: 404 }, 'status-404'],
    ['a status that is good elsewhere', { ...REQUEST, expectedStatus: 204 }, GOOD, 'status-200'],
    ['another length', { ...REQUEST, expectedBytes: 11 }, GOOD, 'length'],
  ])('counts as a failure: %s', (_, request, end, code) => {
    const report = tallied(request, end)
    expect(report).toMatchObject({
      requests: 1,
      failures: 1,
      failuresByCode: { [code]: 1 },
      receivedBytes: 0,
    })
    expect(report.firstFailure).toBeDefined()
    expect(report.latency.count).toBe(0)
    expect(report.objects[0]?.hasFailed).toBe(true)
  })

  it('counts no failure where the answer was expected', () => {
    expect(tallied({ ...REQUEST, expectedStatus: 404 }, { ...GOOD, status: 404 }).failures).toBe(0)
    expect(tallied({ ...REQUEST, expectedBytes: 10 }, GOOD).failures).toBe(0)
  })
})

describe('the tally of a load', () => {
  it('records latencies from the due time, bytes, protocols, and when objects came', () => {
    const report = tallied(REQUEST, GOOD, { ...GOOD, protocol: 'h3', stallMs: 4 })
    expect(report.latency).toMatchObject({ count: 2, minUs: 5_000, maxUs: 6_000 })
    expect(report.firstByte).toMatchObject({ count: 2, minUs: 2_000, maxUs: 3_000 })
    expect(report.stall).toMatchObject({ count: 1, maxUs: 4_000 })
    expect(report).toMatchObject({ receivedBytes: 20, wallMs: 6, byProtocol: { h2: 1, h3: 1 } })
    expect(report.objects).toEqual([
      { label: 'one', startedAtMs: 0, firstByteAtMs: 2, endedAtMs: 5 },
      { label: 'one', startedAtMs: 0, firstByteAtMs: 3, endedAtMs: 6 },
    ])
  })

  it('records no stall where none was reported', () => {
    expect(tallied(REQUEST, GOOD).stall).toBeUndefined()
  })

  it('records the bytes sent, of bodies of either kind', () => {
    expect(tallied({ ...REQUEST, uploadBytes: 7 }, GOOD).sentBytes).toBe(7)
    expect(tallied({ ...REQUEST, body: new Uint8Array(5) }, GOOD).sentBytes).toBe(5)
  })

  it('keeps the phases of the request with the median latency', () => {
    const phasesOf = (endMs: number) => [{ name: 'waiting', startMs: 0, endMs }] as const
    const tally = new LoadTally(0)
    for (const ms of [9, 1, 5]) {
      tally.record(
        REQUEST,
        { dueAt: 0, headAt: undefined, endedAt: ms },
        { ...GOOD, phases: () => phasesOf(ms) },
      )
    }
    expect(tally.report().phases).toEqual(phasesOf(5))
  })

  it('describes a warm-up if it had any request', () => {
    const tally = new LoadTally(0)
    expect(tally.warmUp).toBeUndefined()
    for (const ms of [4, 6]) tally.record(REQUEST, { dueAt: 0, headAt: 1, endedAt: ms }, GOOD)
    expect(tally.warmUp).toEqual({ requests: 2, meanMs: 5, byProtocol: { h2: 2 } })
  })

  it('keeps no times where only counts are asked for', () => {
    const tally = new LoadTally(0, true)
    tally.record(REQUEST, { dueAt: 0, headAt: undefined, endedAt: 4 }, GOOD)
    tally.record(REQUEST, { dueAt: 0, headAt: undefined, endedAt: 5 }, { ...GOOD, status: 500 })
    const report = tally.report()
    expect(report).toMatchObject({ requests: 2, failures: 1, receivedBytes: 10, wallMs: 5, objects: [] })
    expect([report.latency.count, report.firstByte.count]).toEqual([0, 0])
  })

  it('keeps no more objects than its limit', () => {
    const tally = new LoadTally(0)
    for (let i = 0; i < MAX_OBJECTS + 5; i++) tally.record(REQUEST, { dueAt: 0, headAt: 1, endedAt: 2 }, GOOD)
    expect(tally.report().objects).toHaveLength(MAX_OBJECTS)
    expect(tally.report().requests).toBe(MAX_OBJECTS + 5)
  })
})
