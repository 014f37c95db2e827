import { describe, expect, it } from 'vitest'
import { GapMeter } from '../../../../src/quic/migration/gap-meter.ts'

describe('GapMeter', () => {
  it('measures the longest time without bytes, from the last one before', () => {
    const meter = new GapMeter()
    meter.onProgress(0)
    meter.begin()
    for (const at of [30, 40, 90, 100]) meter.onProgress(at)
    expect(meter.end(110)).toBe(50)
  })

  it('counts a gap that still lasts, and one that ended with the exchange', () => {
    const lasting = new GapMeter()
    lasting.onProgress(0)
    lasting.begin()
    expect([lasting.isWaitedFor, lasting.end(200)]).toEqual([true, 200])
    const ended = new GapMeter()
    ended.onProgress(0)
    ended.begin()
    ended.onIdle(70)
    expect([ended.isWaitedFor, ended.end(1000)]).toEqual([false, 70])
  })

  it('reports none when nothing was waited for', () => {
    const meter = new GapMeter()
    meter.onProgress(0)
    meter.onIdle(5)
    meter.begin()
    expect(meter.end(1000)).toBeUndefined()
  })

  it('forgets gaps before the migration', () => {
    const meter = new GapMeter()
    meter.onProgress(0)
    meter.onProgress(900)
    meter.begin()
    meter.onProgress(910)
    expect(meter.end(910)).toBe(10)
  })
})
