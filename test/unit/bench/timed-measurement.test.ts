import { describe, expect, it } from 'vitest'
import type { TimedRequest } from '../../../bench/clients/timed-job.ts'
import { laneCounts, timedMeasurement } from '../../../bench/lib/timed-measurement.ts'

const REQUESTS: readonly TimedRequest[] = [
  { ms: 900, lane: 'tcp', protocol: 'h2', isLearning: true },
  { ms: 100, lane: 'tcp', protocol: 'h2', isLearning: true },
  { ms: 40, lane: 'h3', protocol: 'h3', isLearning: false },
  { ms: 50, lane: 'h3', protocol: 'h3', isLearning: false },
  { ms: 60, lane: 'http/1.1', protocol: 'http/1.1', isLearning: false },
  { ms: 90, lane: 'h2-spread', protocol: 'h2', isLearning: false },
]

describe('timedMeasurement', () => {
  it('keeps the time of learning apart from what is measured', () => {
    expect(
      timedMeasurement({
        requests: REQUESTS,
        failures: 2,
        firstFailure: 'no',
        connections: 4,
        decisions: [],
      }),
    ).toEqual({
      meanMs: 60,
      p50Ms: 50,
      p95Ms: 90,
      requests: 4,
      learningMeanMs: 500,
      learningRequests: 2,
      h3Percent: 50,
      h2Percent: 25,
      http1Percent: 25,
      connections: 4,
      failures: 2,
    })
  })

  it('has no figure where nothing ended well', () => {
    const { meanMs, requests, failures } = timedMeasurement({
      requests: [],
      failures: 3,
      firstFailure: 'no',
      connections: 0,
      decisions: [],
    })
    expect([meanMs, requests, failures]).toEqual([Number.NaN, 0, 3])
  })
})

describe('laneCounts', () => {
  it('counts requests by their lane, the busiest first, and says what TCP spoke', () => {
    expect(laneCounts([...REQUESTS, { ...REQUESTS[0]!, lane: undefined }])).toBe(
      'tcp (h2) 2, h3 2, http/1.1 1, h2-spread 1, no lane 1',
    )
    expect(laneCounts([])).toBe('')
  })
})
