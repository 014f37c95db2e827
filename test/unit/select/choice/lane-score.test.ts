import { describe, expect, it } from 'vitest'
import type { ExchangeSample } from '../../../../src/select/choice/choice-action.ts'
import {
  LaneEstimates,
  streamsPerConnection,
  Workload,
} from '../../../../src/select/choice/lane-estimates.ts'
import {
  borrow,
  connectionsFor,
  goodput,
  laneCost,
  leastTcpMs,
  lossStall,
  predict,
} from '../../../../src/select/choice/lane-score.ts'
import { sampleOf } from '../../../support/lane-figures.ts'

function measured(...samples: readonly Partial<ExchangeSample>[]) {
  const lane = new LaneEstimates()
  const workload = new Workload()
  for (const [index, but] of samples.entries()) {
    const sample = sampleOf('tcp', but)
    workload.onSample(sample, streamsPerConnection(sample), true, index)
    lane.onSample(sample, workload.meanLargeBytes, index)
  }
  return { lane, workload, now: samples.length }
}

const NOTHING = { smallBodyMs: 0, msPerByte: 0 }
const times = <T>(count: number, what: T): T[] => Array.from({ length: count }, () => what)

describe('the prediction of a lane', () => {
  it('is what was measured, when the lane carried the origin’s load', () => {
    const sample = { ttfbMs: 40, bodyMs: 200, responseBytes: 100_000, laneStreams: 10 }
    const { lane, workload, now } = measured(...times(10, sample))
    expect(predict(lane, workload, 1, NOTHING, now).ms).toBeCloseTo(240)
  })

  it('scales bodies to the streams that would share a connection', () => {
    const sample = { ttfbMs: 40, bodyMs: 200, responseBytes: 100_000, laneStreams: 10 }
    const { workload, now } = measured(...times(10, sample))
    const trial = measured(...times(10, { ...sample, bodyMs: 40, laneStreams: 2 })).lane
    expect(predict(trial, workload, 1, NOTHING, now).ms).toBeCloseTo(240)
    expect(predict(trial, workload, 5, NOTHING, now).ms).toBeCloseTo(80)
    expect(predict(trial, workload, 20, NOTHING, now).ms).toBeCloseTo(60)
  })

  it('weights small and large responses by their share', () => {
    const small = { ttfbMs: 40, bodyMs: 1, responseBytes: 500 }
    const large = { ttfbMs: 40, bodyMs: 100, responseBytes: 200_000 }
    const { lane, workload, now } = measured(small, large, small, small, small, large, small, small)
    expect(predict(lane, workload, 1, NOTHING, now).ms).toBeCloseTo(40 + 0.75 + 25)
  })

  it('borrows from others what the lane was never measured for, and says so', () => {
    const { workload, lane, now } = measured(
      ...times(10, { ttfbMs: 40, bodyMs: 100, responseBytes: 200_000 }),
    )
    const other = measured({ ttfbMs: 30 }, { ttfbMs: 30 }).lane
    const borrowed = borrow([{ estimates: lane }, { estimates: other }])
    const prediction = predict(other, workload, 1, borrowed, now)
    expect(prediction.ms).toBeCloseTo(130)
    expect(prediction.isBorrowed).toBe(true)
    expect(prediction.errorMs).toBeGreaterThan(45)
    expect(predict(lane, workload, 1, borrowed, now).isBorrowed).toBe(false)
  })

  it('adds the cost of losses to small requests, less what its samples show', () => {
    // In one request of 20 the request or the response is lost, and waits for a time-out and a round trip.
    expect(lossStall(0.025, 40)).toBeCloseTo(12)
    const { lane, workload, now } = measured(...times(18, {}))
    expect(lane.ttfb.samples).toBe(15)
    expect(predict(lane, workload, 1, NOTHING, now, 12).ms).toBeCloseTo(40 + 8)
    expect(leastTcpMs([{ estimates: lane }])).toBe(0)
    lane.loss.add(0.025, now)
    lane.rtt.add(40, now)
    expect(leastTcpMs([{ estimates: lane }])).toBeCloseTo(52)
  })

  it('counts a failed request as made once more', () => {
    const { lane, workload, now } = measured(...times(9, {}), { failed: true })
    expect(predict(lane, workload, 1, NOTHING, now).ms).toBeCloseTo(40 / 0.9)
  })

  it.each([
    ['http/1.1', 'http/1.1', 7.5, 7.5],
    ['tcp', 'http/1.1', 7.5, 7.5],
    ['h2-spread', 'h2', 7.5, 6],
    ['h2-spread', 'h2', 2, 2],
    ['tcp', 'h2', 7.5, 1],
    ['h3', 'h3', 7.5, 1],
  ] as const)(
    'for %s with %s at %d exchanges at once assumes %d connections',
    (lane, protocol, concurrency, expected) => {
      expect(connectionsFor(lane, protocol, concurrency, 6, new LaneEstimates().connections)).toBe(expected)
    },
  )

  it('estimates the goodput of a connection', () => {
    const { lane } = measured({ bodyMs: 100, responseBytes: 200_000, laneStreams: 2 })
    expect(goodput(lane)).toBeCloseTo(4_000_000)
    expect(goodput(new LaneEstimates())).toBeUndefined()
  })
})

function estimatedLanes(cpu: { tcp?: number; h3?: number }) {
  const tcp = { lane: 'tcp', protocol: 'h2', estimates: new LaneEstimates() } as const
  const h3 = { lane: 'h3', protocol: 'h3', estimates: new LaneEstimates() } as const
  if (cpu.tcp !== undefined) tcp.estimates.cpu.add(cpu.tcp, 0)
  if (cpu.h3 !== undefined) h3.estimates.cpu.add(cpu.h3, 0)
  return { tcp, h3, all: [tcp, h3] }
}

describe('the cost of a lane', () => {
  it('is a prior in relation to HTTP/1.1 while nothing was measured', () => {
    const { tcp, h3, all } = estimatedLanes({})
    expect([laneCost(tcp, all, 0), laneCost(h3, all, 0)]).toEqual([1.1, 5])
  })

  it('is what was measured, with the prior of the rest in its scale', () => {
    const { tcp, h3, all } = estimatedLanes({ tcp: 0.22 })
    expect(laneCost(tcp, all, 0)).toBe(0.22)
    expect(laneCost(h3, all, 0)).toBeCloseTo(1)
  })

  it('counts several connections for half as much again', () => {
    const { tcp, all } = estimatedLanes({ tcp: 0.22 })
    const http1 = { lane: 'http/1.1', protocol: 'http/1.1', estimates: new LaneEstimates() } as const
    const spread = { lane: 'h2-spread', protocol: 'h2', estimates: new LaneEstimates() } as const
    expect(laneCost(http1, [...all, http1], 0)).toBeCloseTo(0.2 * 1.5)
    expect(laneCost(spread, [...all, spread], 0)).toBeCloseTo(0.24 * 1.5)
    spread.estimates.cpu.add(0.3, 0)
    expect(laneCost(spread, [...all, spread], 0)).toBeCloseTo(0.45)
    expect(laneCost(tcp, all, 0)).toBe(0.22)
  })

  it('does not need priors where all was measured', () => {
    const { tcp, h3, all } = estimatedLanes({ tcp: 0.22, h3: 0.3 })
    expect([laneCost(tcp, all, 0), laneCost(h3, all, 0)]).toEqual([0.22, 0.3])
  })
})
