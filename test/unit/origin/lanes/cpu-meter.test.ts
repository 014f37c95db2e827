import { beforeEach, describe, expect, it } from 'vitest'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import { CpuMeter, type CpuPayer, CpuShares } from '../../../../src/origin/lanes/cpu-meter.ts'

class Payer implements CpuPayer {
  readonly bills: string[] = []
  onCpu(lane: LaneName, cpuMs: number): void {
    this.bills.push(`${lane} ${cpuMs}`)
  }
}

describe('CpuMeter', () => {
  let cpuMs: number
  let now: number
  let meter: CpuMeter
  let payer: Payer
  beforeEach(() => {
    cpuMs = 500
    now = 1_000
    meter = new CpuMeter(() => cpuMs)
    payer = new Payer()
  })

  /** So many exchanges, evenly over a time, and what they cost. */
  const exchanges = (count: number, lane: LaneName, whose: CpuPayer = payer, cost = 100, overMs = 1_000) => {
    const [began, paid] = [now, cpuMs]
    for (let index = 1; index <= count; index += 1) {
      now = began + (overMs * index) / count
      cpuMs = paid + (cost * index) / count
      meter.onEnded(whose, lane, now)
    }
  }

  it('reports what a request cost, once a second, from the second reading on', () => {
    exchanges(1, 'tcp')
    expect(payer.bills).toEqual([])
    exchanges(100, 'tcp')
    exchanges(50, 'h3')
    expect(payer.bills).toEqual(['tcp 1', 'h3 2'])
  })

  it('reports nothing for few requests, nor for mixed ones', () => {
    exchanges(1, 'tcp')
    exchanges(19, 'tcp')
    exchanges(100, 'h3', payer, 100, 800)
    exchanges(25, 'tcp', payer, 100, 200)
    expect(payer.bills).toEqual([])
  })

  it('reports nothing where several origins had requests', () => {
    const other = new Payer()
    exchanges(1, 'tcp')
    exchanges(80, 'tcp', payer, 80, 800)
    exchanges(20, 'tcp', other, 20, 200)
    expect([payer.bills, other.bills]).toEqual([[], []])
    exchanges(95, 'tcp', payer, 95, 950)
    exchanges(5, 'tcp', other, 5, 50)
    expect([payer.bills, other.bills]).toEqual([['tcp 1'], []])
  })

  it('does not charge an origin for what the process did while it was idle', () => {
    exchanges(1, 'tcp')
    exchanges(90, 'tcp', payer, 90, 900)
    now += 3_600_000
    cpuMs += 900_000
    exchanges(1, 'tcp', payer, 1, 1)
    expect(payer.bills).toEqual([])
    exchanges(100, 'tcp')
    expect(payer.bills).toEqual(['tcp 1'])
  })
})

describe('the CPU of a lane', () => {
  it('is that of a window in which it had nearly all exchanges', () => {
    const shares = new CpuShares()
    expect(shares.onReading(1_000, { tcp: 50 })).toBeUndefined()
    expect(shares.onReading(1_010, { tcp: 95, h3: 5 })).toEqual({ lane: 'tcp', cpuMs: 0.1 })
    expect(shares.onReading(1_050, { h3: 40 })).toEqual({ lane: 'h3', cpuMs: 1 })
  })

  it('is not known from a window that lanes shared, that had few exchanges, or none', () => {
    const shares = new CpuShares()
    shares.onReading(0, {})
    expect(shares.onReading(10, { tcp: 89, h3: 11 })).toBeUndefined()
    expect(shares.onReading(20, { tcp: 19 })).toBeUndefined()
    expect(shares.onReading(30, {})).toBeUndefined()
    expect(shares.onReading(30, { tcp: 100 })).toBeUndefined()
    // The CPU of windows that said nothing is not added to the next one.
    expect(shares.onReading(32, { tcp: 20 })).toEqual({ lane: 'tcp', cpuMs: 0.1 })
  })
})
