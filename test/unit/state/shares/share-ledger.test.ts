import { describe, expect, it } from 'vitest'
import { fairShares } from '../../../../src/state/shares/fair-shares.ts'
import { ShareLedger } from '../../../../src/state/shares/share-ledger.ts'
import type { ShareRequest } from '../../../../src/state/shares/share-messages.ts'

const LEASE_MS = 10_000
const TURN_MS = 500
const ORIGIN = 'https://shop.example'

/** A ledger, and who asks it. */
function ledgerOf(ceiling: number, recoversUntil = 0) {
  const ledger = new ShareLedger({ leaseMs: LEASE_MS, turnMs: TURN_MS, recoversUntil })
  let number = 0
  const ask = (member: string, wants: number, keeps = 0, now = 0, more: Partial<ShareRequest> = {}) =>
    ledger.receive({ of: ORIGIN, member, number: ++number, ceiling, keeps, wants, ...more }, now)
  return { ledger, ask }
}

describe('fair shares', () => {
  it.each([
    ['everybody what it wants, where there is enough', [1, 2, 3], 10, [1, 2, 3]],
    ['the small ones what they want, and the rest evenly', [1, 9, 9], 9, [1, 4, 4]],
    ['what does not divide to the first', [5, 5, 5], 10, [4, 3, 3]],
    ['nothing to who wants nothing', [0, 4], 3, [0, 3]],
    ['one each to as many as there is for', [3, 3, 3], 2, [1, 1, 0]],
  ])('give %s', (_, wants, ceiling, expected) => {
    expect(fairShares(wants, ceiling, 0)).toEqual(expected)
  })

  it('give each member a turn where there are fewer than members that want one', () => {
    expect([0, 1, 2, 3].map(turn => fairShares([1, 0, 1, 1], 1, turn))).toEqual([
      [1, 0, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
      [1, 0, 0, 0],
    ])
  })

  it('stay where they are while each member has one', () => {
    expect([0, 1].map(turn => fairShares([5, 5], 3, turn))).toEqual([
      [2, 1],
      [2, 1],
    ])
  })
})

describe('the ledger of a ceiling', () => {
  it('gives a member that is alone everything at once', () => {
    const { ask } = ledgerOf(12)
    expect(ask('a', 1)).toMatchObject({ share: 12, members: 1, granted: 12 })
  })

  it('gives a second member what the first one does not need, once that was given back', () => {
    const { ledger, ask } = ledgerOf(10)
    ask('a', 2)
    expect(ask('b', 5).share).toBe(0)
    expect(ask('a', 2, 10).share).toBe(5) // is asked for what b lacks
    expect(ledger.granted).toBe(10) // and has it until it says that it has not
    ask('a', 2, 5)
    expect(ask('b', 5).share).toBe(5)
  })

  it('asks for nothing back that no member lacks', () => {
    const { ask } = ledgerOf(10)
    ask('a', 0)
    ask('b', 0)
    expect(ask('a', 0, 10).share).toBe(10)
  })

  it('divides evenly what two members want more of', () => {
    const { ask } = ledgerOf(10)
    ask('a', 50)
    ask('b', 50)
    expect(ask('a', 50, 10).share).toBe(5)
    ask('a', 50, 5)
    expect(ask('b', 50).share).toBe(5)
  })

  it('ignores a message that is older than the last one', () => {
    const { ledger, ask } = ledgerOf(10)
    ask('a', 4, 0, 0, { number: 7 })
    ask('a', 4, 3, 0, { number: 8 })
    const before = ledger.snapshot
    ask('a', 4, 10, 0, { number: 7 })
    expect(ledger.snapshot).toEqual(before)
  })

  it('frees the share of a member that does not ask again within the lease', () => {
    const { ask } = ledgerOf(10)
    ask('a', 10)
    expect(ask('b', 10, 0, LEASE_MS - 1).share).toBe(0)
    expect(ask('b', 10, 0, LEASE_MS).share).toBe(10)
  })

  it('frees at once the share of a member that leaves, or is known to be gone', () => {
    const { ledger, ask } = ledgerOf(10)
    ask('a', 10)
    ask('a', 0, 0, 0, { leaves: true })
    expect(ask('b', 10).share).toBe(10)
    ledger.remove('b')
    expect(ask('c', 10).share).toBe(10)
  })

  it('accepts the share of a member that comes back with it, and gives others nothing of it', () => {
    const { ask } = ledgerOf(10)
    ask('a', 6)
    ask('b', 6, 0, LEASE_MS) // a is gone
    expect(ask('a', 6, 6, LEASE_MS + 1)).toMatchObject({ share: 5, granted: 16 })
    expect(ask('c', 6, 0, LEASE_MS + 2).share).toBe(0)
  })

  it('grants nothing while members of a lost ledger may come back', () => {
    const { ask } = ledgerOf(10, LEASE_MS)
    expect(ask('new', 5).share).toBe(0)
    expect(ask('old', 5, 4).share).toBe(4)
    ask('old', 5, 4, LEASE_MS - 1)
    expect(ask('new', 5, 0, LEASE_MS).share).toBe(5)
  })

  it('goes on from its snapshot, which survives JSON', () => {
    const { ledger, ask } = ledgerOf(10)
    ask('a', 10)
    const copy = new ShareLedger(
      { leaseMs: LEASE_MS, turnMs: TURN_MS },
      JSON.parse(JSON.stringify(ledger.snapshot)),
    )
    const request = { of: ORIGIN, member: 'b', number: 1, ceiling: 10, keeps: 0, wants: 3 }
    expect(copy.receive(request, 1).share).toBe(0)
  })

  it('shares no more than there is, where that is less than the ceiling', () => {
    const { ledger, ask } = ledgerOf(10)
    ask('a', 10)
    const request = { of: ORIGIN, member: 'a', number: 99, ceiling: 10, keeps: 10, wants: 10 }
    expect(ledger.receive(request, 0, 4)).toMatchObject({ share: 4, limit: 4, granted: 10 })
    expect(ledger.receive({ ...request, number: 100, keeps: 4 }, 0, 4).granted).toBe(4)
  })

  it('names the members whose answer has changed, while one lacks something', () => {
    const { ledger, ask } = ledgerOf(4)
    ask('a', 4)
    expect(ledger.due(4, 0)).toEqual([])
    ask('b', 1)
    expect(ledger.due(4, 0)).toEqual(['a'])
    ask('a', 4, 4)
    expect(ledger.due(4, 0)).toEqual([]) // it was asked to give back
    ask('a', 4, 3)
    expect(ledger.due(4, 0)).toEqual(['b'])
    ask('b', 1)
    expect(ledger.due(4, 0)).toEqual([])
  })

  it('gives members a turn where there are fewer shares, and asks the others to give theirs back', () => {
    const { ledger, ask } = ledgerOf(1)
    expect(ask('a', 3).share).toBe(1)
    expect(ask('b', 3).share).toBe(0)
    expect(ledger.due(1, TURN_MS - 1)).toEqual([])
    expect(ledger.due(1, TURN_MS)).toEqual(['a'])
    expect(ask('a', 3, 1, TURN_MS).share).toBe(0)
    ask('a', 3, 0, TURN_MS)
    expect(ledger.due(1, TURN_MS)).toEqual(['b'])
    expect(ask('b', 3, 0, TURN_MS).share).toBe(1)
  })

  it('treats invalid numbers as zero', () => {
    const { ask } = ledgerOf(10)
    for (const nonsense of [NaN, -1, Infinity, 'x' as never, undefined as never])
      expect(ask('a', nonsense, nonsense).share).toBe(10)
  })
})
