import { describe, expect, it } from 'vitest'
import { Estimate } from '../../../../src/select/choice/estimate.ts'
import { PathRisk } from '../../../../src/select/choice/selection-policy.ts'

/** After so many readings of what QUIC lost. */
function after(...readings: readonly [count: number, lossRatio: number][]): boolean {
  const risk = new PathRisk()
  const loss = new Estimate()
  let now = 0
  for (const [count, lossRatio] of readings)
    for (let index = 0; index < count; index += 1) {
      loss.add(lossRatio, (now += 1))
      risk.onLoss(loss)
    }
  return risk.isRisky
}

describe('a path', () => {
  it('is risky until many packets were counted, and none was lost', () => {
    expect([after(), after([23, 0]), after([24, 0])]).toEqual([true, true, false])
    expect(after([2, 0.05], [22, 0])).toBe(true)
  })

  it('is risky again when some are lost, and as it was in between', () => {
    expect(after([24, 0], [1, 0.05])).toBe(false)
    expect(after([24, 0], [3, 0.05])).toBe(true)
    expect(after([24, 0], [3, 0.05], [20, 0])).toBe(true)
    expect(after([24, 0], [3, 0.05], [200, 0])).toBe(false)
  })

  it('is risky on another network', () => {
    const risk = new PathRisk()
    const loss = new Estimate()
    for (let index = 0; index < 24; index += 1) loss.add(0, index)
    risk.onLoss(loss)
    expect(risk.isRisky).toBe(false)
    risk.onNetworkChanged()
    expect(risk.isRisky).toBe(true)
  })
})
