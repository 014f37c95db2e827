import { describe, expect, it } from 'vitest'
import { WindowTuner } from '../../../../src/http/http2/window-sizes.ts'

describe('WindowTuner', () => {
  it('doubles the window when a round trip fills most of it, up to the maximum', () => {
    const tuner = new WindowTuner(1000, 5000)
    let now = 0
    const targets: number[] = []
    for (let round = 0; round < 4; round++) {
      expect(tuner.wantsSample(now)).toBe(true)
      tuner.onReceived(tuner.targetBytes)
      tuner.onPong(now + 40)
      targets.push(tuner.targetBytes)
      now += 100
      if (tuner.targetBytes === 5000) break
    }
    expect(targets).toEqual([2000, 4000, 5000])
    expect(tuner.wantsSample(now + 100_000)).toBe(false)
  })

  it('does not grow when less than a third arrives, and then looks ever more rarely', () => {
    const tuner = new WindowTuner(900, 9000)
    const waits: number[] = []
    let now = 0
    for (let round = 0; round < 9; round++) {
      let waited = 0
      while (!tuner.wantsSample(now)) {
        now += 50
        waited += 50
      }
      waits.push(waited)
      tuner.onReceived(299)
      tuner.onPong(now)
    }
    expect(tuner.targetBytes).toBe(900)
    expect(waits).toEqual([0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000])
  })

  it('counts only what comes while the PING is on its way, and one PING at a time', () => {
    const tuner = new WindowTuner(900, 9000)
    tuner.onReceived(100_000)
    expect(tuner.wantsSample(0)).toBe(true)
    expect(tuner.wantsSample(1000)).toBe(false)
    tuner.onPong(1000)
    tuner.onPong(1001) // one that nobody asked for
    expect(tuner.targetBytes).toBe(900)
  })

  it('takes a maximum below the initial window as the initial window', () => {
    expect(new WindowTuner(900, 100).targetBytes).toBe(900)
  })
})
