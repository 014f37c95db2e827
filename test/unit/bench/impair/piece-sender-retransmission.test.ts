import { describe, expect, it } from 'vitest'
import { type LostPiece, Retransmission } from '../../../../src/bench/impair/piece-sender.ts'

const lost = (changed: Partial<LostPiece> = {}): Retransmission =>
  new Retransmission({
    sentAt: 1_000,
    previousSentAt: Number.NEGATIVE_INFINITY,
    roundTripMs: 40,
    travelMs: 20,
    lossesAgain: 0,
    ...changed,
  })

describe('Retransmission', () => {
  it('waits for the timer, the round trip and 200 ms, when nothing comes behind', () => {
    expect(lost().dueAt).toBe(1_000 + 240 + 20)
  })

  it('has the timer restarted by the acknowledgment of the piece before', () => {
    expect(lost({ previousSentAt: 1_000 }).dueAt).toBe(1_040 + 240 + 20)
    expect(lost({ previousSentAt: 900 }).dueAt).toBe(1_260)
  })

  it('comes a round trip and a quarter after the first piece behind it', () => {
    const piece = lost()
    expect(piece.onSentBehind(1_010)).toBe(true)
    expect(piece.dueAt).toBe(1_010 + 50 + 20)
  })

  it('comes a round trip after the third piece behind it, if that is earlier', () => {
    const fast = lost()
    expect([1_000, 1_000, 1_000].map(at => fast.onSentBehind(at))).toEqual([true, true, false])
    expect(fast.dueAt).toBe(1_060)
    const slow = lost()
    for (const at of [1_000, 1_100, 1_200]) slow.onSentBehind(at)
    expect(slow.dueAt).toBe(1_070)
  })

  it('is never later because of what comes behind it', () => {
    const piece = lost()
    piece.onSentBehind(5_000)
    expect(piece.dueAt).toBe(1_260)
  })

  it('costs a timer that doubles for each retransmission that is lost', () => {
    const due = (lossesAgain: number): number => lost({ lossesAgain }).dueAt
    expect([due(0), due(1), due(2)]).toEqual([1_260, 1_500, 1_980])
  })
})
