import { describe, expect, it } from 'vitest'
import type { ExchangeSample } from '../../../../src/select/choice/choice-action.ts'
import {
  LARGE_BYTES,
  LaneEstimates,
  streamsPerConnection,
  Workload,
} from '../../../../src/select/choice/lane-estimates.ts'
import { sampleOf } from '../../../support/lane-figures.ts'

/** After some exchanges that are forgotten: the first ones of a process. */
function laneAfter(...samples: readonly Partial<ExchangeSample>[]): LaneEstimates {
  const lane = new LaneEstimates()
  for (let index = -4; index < -1; index += 1)
    lane.onSample(sampleOf('tcp', { ttfbMs: 900 }), LARGE_BYTES, index)
  for (const [index, but] of samples.entries()) lane.onSample(sampleOf('tcp', but), LARGE_BYTES, index)
  return lane
}

describe('the estimates of a lane', () => {
  it('normalize the time of a large body by the streams that shared the connection', () => {
    const lane = laneAfter({ responseBytes: 100_000, bodyMs: 400, laneStreams: 8, laneConnections: 2 })
    expect(lane.msPerByte.mean).toBeCloseTo(0.001)
    expect(lane.smallBody.samples).toBe(0)
  })

  it('keep bodies of small responses apart', () => {
    const lane = laneAfter({ responseBytes: LARGE_BYTES - 1, bodyMs: 2 })
    expect([lane.smallBody.mean, lane.msPerByte.samples]).toEqual([2, 0])
  })

  it('forget the first three exchanges of a process as soon as there are others', () => {
    expect([laneAfter().ttfb.mean, laneAfter().isMeasured(0)]).toEqual([900, false])
    expect([laneAfter({}).ttfb.mean, laneAfter({}).ttfb.samples]).toEqual([40, 1])
    const restored = new LaneEstimates()
    restored.restore({ ttfb: [40, 1, 5, 0, 5] }, 0, 0)
    for (let index = 0; index < 4; index += 1) restored.onSample(sampleOf('tcp'), LARGE_BYTES, index)
    expect(restored.ttfb.samples, 'what another process measured stays').toBe(9)
  })

  it('count large bodies as cold that began before the first one of their connection ended', () => {
    const round = { responseBytes: 100_000, laneStreams: 10, ttfbMs: 40, bodyMs: 400 }
    const lane = new LaneEstimates()
    const receive = (but: Partial<ExchangeSample>, now: number): number => {
      lane.onSample(sampleOf('tcp', { ...round, ...but }), LARGE_BYTES, now)
      return lane.ttfb.samples
    }
    receive({ isFirst: true }, 440)
    for (let index = 1; index < 10; index += 1) receive({}, 441 + index)
    expect([lane.ttfb.samples, lane.msPerByte.mean]).toEqual([10, 0.0004])
    expect(receive({ bodyMs: 100 }, 600), 'the next round').toBe(1)
    expect(lane.msPerByte.mean).toBeCloseTo(0.0001)
    // A connection of their own for each.
    const http1 = new LaneEstimates()
    for (let index = 0; index < 4; index += 1)
      http1.onSample(
        sampleOf('http/1.1', { ...round, laneConnections: 10, isFirst: index === 0 }),
        LARGE_BYTES,
        440,
      )
    expect(http1.ttfb.samples).toBe(1)
  })

  it('count the first round after a pause as cold', () => {
    const lane = laneAfter({}, {}, {}, {})
    const { weight } = { weight: lane.ttfb.weightAt(10) }
    lane.onResumed(1_000)
    lane.onSample(sampleOf('tcp'), LARGE_BYTES, 1_040)
    expect(lane.ttfb.weightAt(1_040)).toBeCloseTo(weight + 0.25)
    lane.onSample(sampleOf('tcp'), LARGE_BYTES, 1_050)
    expect(lane.ttfb.weightAt(1_050)).toBeCloseTo(weight + 1.25)
  })

  it('give less weight to the first exchange of a connection', () => {
    const lane = laneAfter({ ttfbMs: 40 }, { ttfbMs: 140, isFirst: true })
    expect(lane.ttfb.mean).toBeCloseTo(60)
  })

  it('ignore the times of a failed exchange, and invalid times', () => {
    const lane = laneAfter({ failed: true, ttfbMs: 1 }, { ttfbMs: Number.NaN }, { bodyMs: -1 })
    expect([lane.ttfb.samples, lane.ttfb.mean]).toEqual([3, 900])
    expect(lane.errors.mean).toBeCloseTo(1 / 6)
  })

  it('know the share of time that data waited behind gaps, where the protocol can measure it', () => {
    const lane = laneAfter({ ttfbMs: 30, bodyMs: 10, stallMs: 10 }, { stallMs: undefined })
    expect([lane.stallShare.mean, lane.stallShare.samples]).toEqual([0.25, 1])
  })

  it('are sufficient from two samples on, until they are old', () => {
    expect(laneAfter({}).isMeasured(0)).toBe(false)
    const lane = laneAfter({}, {})
    expect([lane.isMeasured(1), lane.isStale(1)]).toEqual([true, false])
    expect([lane.isMeasured(3_600_000), lane.isStale(3_600_000)]).toEqual([false, true])
  })

  it('call a lane failing when more than a fifth of five requests or more failed', () => {
    const failed = { failed: true }
    const fails = (count: number, now: number, ...samples: Partial<ExchangeSample>[]): boolean => {
      const lane = new LaneEstimates()
      for (let index = 0; index < count; index += 1) lane.onSample(sampleOf('tcp', failed), 1, index)
      for (const [index, but] of samples.entries()) lane.onSample(sampleOf('tcp', but), 1, index)
      return lane.isFailing(now)
    }
    expect(fails(4, 5)).toBe(false)
    expect(fails(1, 5, {}, {}, {}, {})).toBe(false)
    expect(fails(2, 5, {}, {}, {})).toBe(true)
    expect(fails(2, 3_600_000, {}, {}, {})).toBe(false)
  })

  it('forget the path when the network changed, but not the cost of CPU', () => {
    const lane = laneAfter({}, {})
    lane.rtt.add(40, 1)
    lane.cpu.add(0.2, 1)
    lane.onNetworkChanged()
    expect([lane.ttfb.samples, lane.rtt.samples, lane.cpu.samples]).toEqual([0, 0, 1])
  })

  it('discard shares above one from a record', () => {
    const lane = new LaneEstimates()
    lane.restore({ errors: [7, 0, 5, 0, 5], ttfb: [40, 1, 5, 0, 5] }, 0, 0)
    expect([lane.errors.samples, lane.ttfb.samples]).toEqual([0, 5])
  })

  it.each([
    [8, 2, 4],
    [1, 5, 1],
    [3, 0, 3],
    [Number.NaN, 1, 1],
  ])('count %d streams on %d connections as %d each', (laneStreams, laneConnections, each) => {
    expect(streamsPerConnection(sampleOf('tcp', { laneStreams, laneConnections }))).toBe(each)
  })
})

describe('the workload of an origin', () => {
  it('is the number of exchanges under way where all of them go', () => {
    const workload = new Workload()
    workload.onSample(sampleOf('tcp', { laneStreams: 8 }), 4, true, 0)
    // In a trial each lane has a part only.
    workload.onSample(sampleOf('h3', { laneStreams: 2 }), 2, false, 0)
    expect([workload.concurrency.mean, workload.streamsPerConnection.mean]).toEqual([8, 4])
  })

  it('is the share of large responses, and their size, whatever carried them', () => {
    const workload = new Workload()
    expect(workload.meanLargeBytes).toBe(LARGE_BYTES)
    for (const responseBytes of [100, 200_000, 300, 100_000])
      workload.onSample(sampleOf('h3', { responseBytes }), 1, false, 0)
    workload.onSample(sampleOf('h3', { responseBytes: 0, failed: true }), 1, false, 0)
    expect([workload.largeShare.mean, workload.meanLargeBytes]).toEqual([0.5, 150_000])
  })

  it('discards a share above one from a record', () => {
    const workload = new Workload()
    workload.restore({ largeShare: [7, 0, 5, 0, 5], concurrency: [3, 1, 5, 0, 5] }, 0, 0)
    expect([workload.largeShare.mean, workload.concurrency.mean]).toEqual([0, 3])
  })
})
