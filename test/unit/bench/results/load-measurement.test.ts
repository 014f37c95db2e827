import { describe, expect, it } from 'vitest'
import { LOAD_METRICS, loadMeasurement } from '../../../../src/bench/results/load-measurement.ts'
import { recordOf, roundOf, upTo } from '../load-report-of.ts'

describe('loadMeasurement', () => {
  it('reports latencies, rates and costs of a plain round', () => {
    // 1,000 requests of 1 to 1,000 ms, one after the other: 500.5 s, of which 100 ms were the client's CPU.
    expect(loadMeasurement(roundOf(upTo(1000)))).toEqual({
      p50Ms: expect.closeTo(500, 0),
      p90Ms: expect.closeTo(900, 0),
      p95Ms: expect.closeTo(950, 0),
      p99Ms: expect.closeTo(990, 0),
      p999Ms: expect.closeTo(999, 0),
      maxMs: 1000,
      meanMs: expect.closeTo(500.5, 0),
      firstByteP50Ms: expect.closeTo(250, 0),
      firstByteP90Ms: expect.closeTo(450, 0),
      firstByteP99Ms: expect.closeTo(495, 0),
      wallMs: 500_500,
      requestsPerSecond: expect.closeTo(1000 / 500.5, 9),
      requestsPerCpuSecond: 10_000,
      megabytesPerCpuSecond: 10,
      cpuShare: expect.closeTo(0.1 / 500.5, 9),
      http1Percent: 0,
      h2Percent: 100,
      h3Percent: 0,
      goodputMegabytesPerSecond: expect.closeTo(1 / 500.5, 9),
      requests: 1000,
      failures: 0,
      cpuMsPerRequest: 0.1,
      cpuSeconds: 0.1,
      rssMiB: 80,
    })
  })

  it('has a title for every figure, and no figure twice', () => {
    const everything = loadMeasurement({
      ...roundOf(
        upTo(1000),
        {
          opened: { full: 1, resumed: 2, earlyData: 3, cleartext: 4 },
          usable: 4,
          warmUp: { requests: 2, meanMs: 7, byProtocol: { h2: 2 } },
          stall: recordOf([0, 1]),
        },
        { arrival: { kind: 'open', perSecond: 10, spacing: 'even', maxInFlight: 5 } },
      ),
      originCpuMs: 5,
      wire: { sentBytes: 1, receivedBytes: 2 },
      roundTripMs: 40,
    })
    expect(everything).toMatchObject({ roundTrips: 500_500 / 40, learningMeanMs: 7, reuseRatio: 0.996 })
    expect(Object.keys(everything).toSorted()).toEqual(LOAD_METRICS.map(({ key }) => key).toSorted())
    expect(new Set(LOAD_METRICS.map(({ title }) => title)).size).toBe(LOAD_METRICS.length)
  })

  it('leaves out percentiles for which there are too few requests to differ from the longest one', () => {
    const told = (count: number): string[] => {
      const keys = Object.keys(loadMeasurement(roundOf(upTo(count))))
      return ['p50Ms', 'p90Ms', 'p99Ms', 'p999Ms'].filter(key => keys.includes(key))
    }
    expect([1, 9, 10, 99, 100, 999, 1000].map(count => told(count).length)).toEqual([1, 1, 2, 2, 3, 3, 4])
  })

  it('divides costs and rates by requests that did not fail, and counts no failed one as completed', () => {
    const failing = roundOf([10, 10], { requests: 4, failures: 2, wallMs: 1000, cpuMs: 8 })
    expect(loadMeasurement(failing)).toMatchObject({ requestsPerSecond: 2, cpuMsPerRequest: 4, failures: 2 })
    expect(loadMeasurement(failing)).not.toHaveProperty('wallMs')
  })

  it('has no figure but the number of failures for a round in which all failed', () => {
    const none = roundOf([], { requests: 3, failures: 3, wallMs: 5, cpuMs: 1 })
    expect(loadMeasurement(none)).toEqual({
      requestsPerSecond: 0,
      requestsPerCpuSecond: 0,
      cpuShare: 0.2,
      requests: 3,
      failures: 3,
      cpuSeconds: 0.001,
      rssMiB: 80,
    })
  })

  it('has no time of completion for a load that was ended by its time', () => {
    const timed = roundOf(upTo(5), {}, { measure: { requests: 1_000_000, seconds: 1 } })
    expect(loadMeasurement(timed)).not.toHaveProperty('wallMs')
  })

  it('counts connections by how they began, and bytes beside those of bodies', () => {
    const changes = {
      opened: { full: 1, resumed: 2, earlyData: 3, cleartext: 0 },
      usable: 4,
      sentBytes: 500,
    }
    const wire = { sentBytes: 500, receivedBytes: 2500 }
    expect(loadMeasurement({ ...roundOf([1, 1], changes), wire })).toMatchObject({
      connections: 4,
      fullHandshakes: 1,
      resumedHandshakes: 2,
      earlyDataHandshakes: 3,
      cleartextConnections: 0,
      wireSentMegabytes: 0.0005,
      wireReceivedMegabytes: 0.0025,
      wirePerBody: 1.2,
    })
  })

  it('reports lateness only where requests are due at their times', () => {
    const late = { mostWaiting: 7, longestMs: 120 }
    expect(loadMeasurement(roundOf([1], { late }))).not.toHaveProperty('lateMs')
    const open = { kind: 'open', perSecond: 10, spacing: 'even', maxInFlight: 5 } as const
    expect(loadMeasurement(roundOf([1], { late }, { arrival: open }))).toMatchObject({
      lateRequests: 7,
      lateMs: 120,
    })
  })
})
