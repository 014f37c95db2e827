import { describe, expect, it } from 'vitest'
import { LARGE_BYTES } from '../../../../src/select/choice/lane-estimates.ts'
import { Workload } from '../../../../src/select/choice/workload.ts'
import { sampleOf } from '../../../support/lane-figures.ts'

describe('the workload of an origin', () => {
  it('is how many exchanges are under way where all of them go', () => {
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

  it('throws away a share above one from a record', () => {
    const workload = new Workload()
    workload.restore({ largeShare: [7, 0, 5, 0, 5], concurrency: [3, 1, 5, 0, 5] }, 0, 0)
    expect([workload.largeShare.mean, workload.concurrency.mean]).toEqual([0, 3])
  })
})
