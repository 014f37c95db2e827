import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TicketStore } from '../../../src/state/ticket-store.ts'
import { fc } from '../../support/property.ts'

const ticket = (name: string): Buffer => Buffer.from(name)
const nameOf = (taken: { session: Buffer } | undefined): string | undefined => taken?.session.toString()
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

describe('TicketStore', () => {
  it('has no ticket for an unknown peer', () => {
    expect(new TicketStore().take('peer', 0)).toBeUndefined()
  })

  it('hands out the newest first, each once but for the last', () => {
    const store = new TicketStore()
    for (const name of ['a', 'b', 'c']) store.put('peer', ticket(name), 0)
    const taken = [1, 2, 3, 4, 5].map(() => store.take('peer', 1))
    expect(taken.map(nameOf)).toEqual(['c', 'b', 'a', 'a', 'a'])
    expect(taken.map(one => one?.isFirstUse)).toEqual([true, true, true, false, false])
  })

  it('lets a fresh ticket take the place of the used one', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    store.take('peer', 0)
    store.put('peer', ticket('b'), 1)
    expect(store.take('peer', 1)).toMatchObject({ session: ticket('b'), isFirstUse: true })
    expect(store.take('peer', 1)).toMatchObject({ session: ticket('b'), isFirstUse: false })
  })

  it('keeps peers separate', () => {
    const store = new TicketStore()
    store.put('one', ticket('a'), 0)
    expect(store.take('other', 0)).toBeUndefined()
  })

  it('keeps four tickets a peer by default, and evicts the oldest', () => {
    const store = new TicketStore()
    for (const name of ['a', 'b', 'c', 'd', 'e']) store.put('peer', ticket(name), 0)
    expect([1, 2, 3, 4].map(() => nameOf(store.take('peer', 0)))).toEqual(['e', 'd', 'c', 'b'])
    expect(nameOf(store.take('peer', 0))).toBe('b')
  })

  it('forgets a ticket at the end of the lifetime that the server gave', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 100, { lifetimeMs: 1000 })
    expect(nameOf(store.take('peer', 1099))).toBe('a')
    expect(store.take('peer', 1100)).toBeUndefined()
    expect(store.peers).toBe(0)
  })

  it('keeps none for longer than seven days, whatever the server sets and however long its certificate is valid', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0, { lifetimeMs: 30 * DAY_MS, trustedUntil: 90 * DAY_MS })
    expect(store.take('peer', 7 * DAY_MS - 1)?.trustedUntil).toBe(7 * DAY_MS)
    expect(store.take('peer', 7 * DAY_MS)).toBeUndefined()
  })

  it('keeps a ticket without a hint for two hours', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    expect(nameOf(store.take('peer', 2 * HOUR_MS - 1))).toBe('a')
    expect(store.take('peer', 2 * HOUR_MS)).toBeUndefined()
  })

  it('accepts no hint beyond seven days (RFC 8446 4.6.1)', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0, { lifetimeMs: 100 * DAY_MS })
    expect(nameOf(store.take('peer', 7 * DAY_MS - 1))).toBe('a')
    expect(store.take('peer', 7 * DAY_MS)).toBeUndefined()
  })

  it('discards at once a ticket with a lifetime of 0 (RFC 8446 4.6.1)', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0, { lifetimeMs: 0 })
    expect(store.peers).toBe(0)
  })

  it('trusts a ticket no longer than the certificate of the peer', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0, { trustedUntil: 50 })
    expect(store.take('peer', 49)).toMatchObject({ trustedUntil: 50 })
    expect(store.take('peer', 50)).toBeUndefined()
  })

  it('hands out with a ticket the names of the certificate that vouches for the peer', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0, { certificateNames: ['a.example', '*.b.example'] })
    expect(store.take('peer', 1)?.certificateNames).toEqual(['a.example', '*.b.example'])
  })

  it('keeps nothing for a peer whose certificate has expired', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 10, { trustedUntil: 10 })
    expect(store.peers).toBe(0)
  })

  it('ends a chain of resumptions seven days after it began, since each ticket inherits the end of the one before', () => {
    const store = new TicketStore()
    store.put('peer', ticket('0'), 0)
    let resumed = 0
    for (let now = HOUR_MS; now < 30 * DAY_MS; now += HOUR_MS) {
      const taken = store.take('peer', now)
      if (taken === undefined) break
      resumed++
      store.put('peer', ticket(`${now}`), now, { trustedUntil: taken.trustedUntil })
    }
    expect(resumed).toBe(7 * 24 - 1)
  })

  it('finds the ticket that is still valid under a newer one that is not', () => {
    const store = new TicketStore()
    store.put('peer', ticket('long'), 0, { lifetimeMs: 1000 })
    store.put('peer', ticket('short'), 1, { lifetimeMs: 10 })
    expect(nameOf(store.take('peer', 500))).toBe('long')
  })

  it('is bounded in peers, and evicts the least recently used', () => {
    const store = new TicketStore({ maxPeers: 2 })
    store.put('one', ticket('1'), 0)
    store.put('two', ticket('2'), 0)
    store.take('one', 0)
    store.put('three', ticket('3'), 0)
    expect(store.peers).toBe(2)
    expect([nameOf(store.take('one', 0)), store.take('two', 0), nameOf(store.take('three', 0))]).toEqual([
      '1',
      undefined,
      '3',
    ])
  })

  it.each([{ maxPeers: 0 }, { maxTicketsPerPeer: 0 }])('keeps nothing with %o', options => {
    const store = new TicketStore(options)
    store.put('peer', ticket('a'), 0)
    expect(store.take('peer', 0)).toBeUndefined()
  })

  it('with room for one ticket keeps the newest', () => {
    const store = new TicketStore({ maxTicketsPerPeer: 1 })
    store.put('peer', ticket('a'), 0)
    store.put('peer', ticket('b'), 0)
    expect([1, 2].map(() => nameOf(store.take('peer', 0)))).toEqual(['b', 'b'])
  })

  it('forgets all tickets of a purged peer, also those that are given back later', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    store.put('peer', ticket('b'), 0)
    const taken = store.take('peer', 0)
    store.purge('peer')
    if (taken !== undefined) store.giveBack('peer', taken)
    expect(store.take('peer', 0)).toBeUndefined()
  })

  it('forgets everything on clear()', () => {
    const store = new TicketStore()
    store.put('one', ticket('a'), 0)
    store.put('two', ticket('b'), 0)
    store.clear()
    expect(store.peers).toBe(0)
  })

  it('accepts back a ticket that was never sent, as good as new, once', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    store.put('peer', ticket('b'), 0)
    const taken = store.take('peer', 0)
    if (taken === undefined) throw new Error('a ticket was put')
    store.giveBack('peer', taken)
    store.giveBack('peer', taken)
    const again = [1, 2, 3].map(() => store.take('peer', 0))
    expect(again.map(nameOf)).toEqual(['a', 'b', 'b'])
    expect(again.map(one => one?.isFirstUse)).toEqual([true, true, false])
  })

  it('gives the last ticket its first use back', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    const taken = store.take('peer', 0)
    if (taken === undefined) throw new Error('a ticket was put')
    store.giveBack('peer', taken)
    expect(store.take('peer', 0)?.isFirstUse).toBe(true)
  })

  it('lets a ticket that is given back take the place of the used one', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    store.put('peer', ticket('b'), 0)
    const lost = store.take('peer', 0)
    store.take('peer', 0)
    if (lost === undefined) throw new Error('a ticket was put')
    store.giveBack('peer', lost)
    expect(String(store)).toBe('1 tickets of 1 peers')
    expect(store.take('peer', 0)).toMatchObject({ session: ticket('b'), isFirstUse: true })
  })

  it('does not count a use as the first when another taker has kept the ticket', () => {
    const store = new TicketStore()
    store.put('peer', ticket('a'), 0)
    const first = store.take('peer', 0)
    store.take('peer', 0)
    if (first === undefined) throw new Error('a ticket was put')
    store.giveBack('peer', first)
    expect(store.take('peer', 0)?.isFirstUse).toBe(false)
  })

  it('shows counts, never keys or tickets', () => {
    const store = new TicketStore()
    store.put('the key', ticket('the secret'), 0)
    expect(String(store)).toBe('1 tickets of 1 peers')
    expect(inspect(store, { depth: 9 })).not.toMatch(/key|secret/)
  })

  it('calls a use the first exactly when no other taker holds the ticket, and never exceeds its bounds', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('put'), peer: fc.nat(3) }),
      fc.record({ do: fc.constant('take'), peer: fc.nat(3) }),
      fc.record({ do: fc.constant('giveBack'), peer: fc.nat(3) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const store = new TicketStore({ maxPeers: 3, maxTicketsPerPeer: 2 })
        const out: { peer: string; taken: NonNullable<ReturnType<TicketStore['take']>> }[] = []
        let serial = 0
        const take = (peer: string): void => {
          const taken = store.take(peer, serial)
          if (taken === undefined) return
          expect(nameOf(taken)).toContain(peer)
          const isOut = out.some(other => other.taken.session === taken.session)
          expect(taken.isFirstUse).toBe(!isOut)
          out.push({ peer, taken })
        }
        for (const { do: what, peer: number } of steps) {
          const peer = `peer ${number}`
          if (what === 'put') {
            store.put(peer, ticket(`${peer} ${++serial}`), serial)
            expect(store.peers).toBeGreaterThan(0)
          } else if (what === 'take') {
            take(peer)
          } else {
            const back = out.pop()
            if (back !== undefined) store.giveBack(back.peer, back.taken)
          }
          expect(store.peers).toBeLessThanOrEqual(3)
        }
      }),
    )
  })
})
