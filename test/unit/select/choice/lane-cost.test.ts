import { describe, expect, it } from 'vitest'
import { laneCost } from '../../../../src/select/choice/lane-cost.ts'
import { LaneEstimates } from '../../../../src/select/choice/lane-estimates.ts'

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

  it('is what was measured, and the prior of the rest in its scale', () => {
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
