import { describe, expect, it } from 'vitest'
import { SendBudget } from '../../../../src/quic/quiche/send-budget.ts'

/** Sends datagrams of 1000 bytes until the budget says stop, at most `limit`. */
function turn(budget: SendBudget, now: number, limit = 1000): number {
  let sent = 0
  while (sent < limit && budget.allows(now)) {
    budget.onSent(1000)
    sent += 1
  }
  if (sent === limit) budget.onTurnEnded()
  return sent
}

describe('SendBudget', () => {
  it('ends a turn after a burst, and lets the next one follow at once', () => {
    const budget = new SendBudget({ maxBurstBytes: 10_000, maxBytesPerSecond: 0 })
    expect(turn(budget, 5)).toBe(10)
    expect(budget.resumeAt).toBe(5)
    expect(turn(budget, 5)).toBe(10)
  })

  it('counts a burst anew when there was nothing more to send', () => {
    const budget = new SendBudget({ maxBurstBytes: 10_000, maxBytesPerSecond: 0 })
    expect(turn(budget, 0, 9)).toBe(9)
    expect(turn(budget, 0)).toBe(10)
    expect(turn(budget, 0, 1)).toBe(1)
    expect(budget.resumeAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('stays within the rate over time', () => {
    const budget = new SendBudget({ maxBurstBytes: 10_000, maxBytesPerSecond: 100_000 })
    let now = 0
    let sent = 0
    while (now < 10_000) {
      sent += turn(budget, now)
      expect(budget.resumeAt).toBeGreaterThanOrEqual(now)
      now = Math.max(now + 0.001, budget.resumeAt)
    }
    // 10 s at 100 KB/s, and the burst that it starts with.
    expect(sent * 1000).toBeGreaterThan(980_000)
    expect(sent * 1000).toBeLessThan(1_020_000)
  })

  it('wakes rarely at a low rate', () => {
    const budget = new SendBudget({ maxBurstBytes: 10_000, maxBytesPerSecond: 10_000 })
    turn(budget, 0)
    turn(budget, 0)
    expect(budget.resumeAt).toBeCloseTo(500)
  })
})
