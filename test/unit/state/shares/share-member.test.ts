import { describe, expect, it } from 'vitest'
import { ShareMember } from '../../../../src/state/shares/share-member.ts'

const RENEW_MS = 1_000
const LEASE_MS = 10_000

function member({ floor = 3, leaseMs = LEASE_MS, takesFloor = true } = {}) {
  const parts = {
    of: 'https://shop.example',
    member: 'a',
    renewMs: RENEW_MS,
    leaseMs,
    firstNumber: 100,
    takesFloor,
  }
  const one = new ShareMember(parts)
  one.configure(20, floor)
  const granted = (share: number, holds = 0, now = 0): boolean => {
    const { number } = one.ask(holds, now)
    return one.onAnswer({ number, share, limit: 20, members: 1, wanted: 0, granted: share })
  }
  return { one, granted }
}

const answer = (number: number, share: number) => ({
  number,
  share,
  limit: 20,
  members: 1,
  wanted: 0,
  granted: share,
})

describe('a member of a ceiling', () => {
  it('has nothing before it is answered, and then its grant', () => {
    const { one, granted } = member()
    expect([one.share, one.state]).toEqual([0, 'new'])
    expect(granted(8)).toBe(true)
    expect([one.share, one.state]).toEqual([8, 'granted'])
  })

  it('announces that it keeps its grant, or its connections if they are more', () => {
    const { one, granted } = member()
    granted(8)
    expect(one.ask(5, 0).keeps).toBe(8)
    one.onUnanswered()
    expect(one.ask(9, 0).keeps).toBe(9)
  })

  it('ignores an answer to any question but its last', () => {
    const { one } = member()
    const first = one.ask(0, 0)
    one.onUnanswered()
    const second = one.ask(0, 0)
    expect([one.onAnswer(answer(first.number, 9)), one.share]).toEqual([false, 3])
    expect([one.onAnswer(answer(second.number, 4)), one.share]).toEqual([true, 4])
    expect([one.onAnswer(answer(second.number, 9)), one.share]).toEqual([false, 4])
  })

  it('goes on with its share for as long as the lease is certain, and with the floor then', () => {
    const { one, granted } = member()
    granted(8, 0, 500)
    one.ask(0, 1_500)
    expect(one.onUnanswered()).toBe(false)
    expect([one.onTime(500 + LEASE_MS - 1), one.share]).toEqual([false, 8])
    expect([one.onTime(500 + LEASE_MS), one.share, one.state]).toEqual([true, 3, 'cut-off'])
    granted(6, 0, 20_000)
    expect([one.share, one.state]).toEqual([6, 'granted'])
  })

  it('counts the lease from its question, since the ledger received that later', () => {
    const { one } = member()
    const { number } = one.ask(0, 1_000)
    one.onAnswer(answer(number, 4))
    expect(one.endsAt).toBe(1_000 + LEASE_MS)
  })

  it('keeps its share forever where there is no lease', () => {
    const { one, granted } = member({ leaseMs: Infinity })
    granted(8)
    expect([one.onTime(1e12), one.share]).toEqual([false, 8])
  })

  it('has the floor when no ledger has ever answered, and never more than the ceiling', () => {
    const { one } = member({ floor: 99 })
    one.ask(0, 0)
    expect(one.onUnanswered()).toBe(true)
    expect([one.share, one.state]).toEqual([20, 'cut-off'])
    one.configure(5, 99)
    expect(one.share).toBe(5)
  })

  it('asks soon while it lacks something, less often while that is vain, and otherwise to renew', () => {
    const { one, granted } = member()
    granted(2)
    one.onWants(2, 0)
    expect(one.nextAt(2)).toBe(RENEW_MS)
    one.onWants(5, 0)
    expect(one.nextAt(2)).toBe(25)
    for (let vain = 0; vain < 10; vain += 1) granted(2, 2, 2_000)
    expect(one.nextAt(2)).toBe(2_400)
    granted(3, 2, 3_000)
    expect(one.nextAt(3)).toBe(3_025)
  })

  it('wants for a second what it has wanted last, so that idle connections between two requests stay', () => {
    const { one } = member()
    one.onWants(4, 0)
    one.onWants(0, 999)
    expect(one.ask(0, 999).wants).toBe(4)
    one.onWants(1, 1_000)
    expect(one.ask(0, 1_000).wants).toBe(1)
  })

  it('asks soon when it has something to give back, and when there is a change', () => {
    const { one, granted } = member()
    granted(8)
    granted(6, 8, 1_000)
    expect(one.nextAt(8)).toBe(1_000 + RENEW_MS) // it has not ended them yet
    expect(one.nextAt(7)).toBe(1_025)
    granted(6, 6, 2_000)
    expect(one.nextAt(6)).toBe(2_000 + RENEW_MS)
    one.onNews()
    expect(one.nextAt(6)).toBe(2_025)
  })

  it('does not ask while an answer is to come, nor soon where no ledger answers', () => {
    const { one } = member()
    one.onWants(5, 0)
    one.ask(0, 0)
    expect(one.nextAt(0)).toBe(Infinity)
    one.onUnanswered()
    expect(one.nextAt(0)).toBe(RENEW_MS)
  })

  it('leaves with a number above all others', () => {
    const { one } = member()
    const { number } = one.ask(0, 0)
    expect(one.leave()).toMatchObject({ number: number + 1, keeps: 0, leaves: true })
  })
})
