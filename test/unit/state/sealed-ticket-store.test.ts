import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { TicketStoreOptions } from '../../../src/base/options/options.ts'
import { SealedTicketStore, seal, unseal } from '../../../src/state/sealed-ticket-store.ts'
import { TicketStore } from '../../../src/state/ticket-store.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { fc } from '../../support/property.ts'
import { MemoryStateStore } from './memory-state-store.ts'

const HOUR_MS = 3_600_000
const ticket = (name: string): Buffer => Buffer.from(name)

/** A process: a clock that starts where it likes, and a ticket store that is kept in the shared state. */
class Process {
  readonly clock: FakeClock
  readonly faults: string[] = []
  readonly vault: SealedTicketStore
  readonly tickets: TicketStore

  constructor(
    state: MemoryStateStore,
    startsAt: number,
    calendar: () => number,
    options: Partial<TicketStoreOptions> = {},
    context = 'these authorities',
  ) {
    const clock = new FakeClock(startsAt)
    this.clock = clock
    const onFault = (message: string): void => void this.faults.push(message)
    this.vault = new SealedTicketStore({ store: state, clock, maxPeers: 8, context, randomBytes, onFault })
    this.tickets = new TicketStore(options, { keeper: this.vault, calendar, now: () => clock.now() })
  }

  put(peer: string, name: string, limits = {}): void {
    this.tickets.put(peer, ticket(name), this.clock.now(), limits)
  }
  /** `name` or `name, used`. */
  take(peer = 'peer'): string | undefined {
    const taken = this.tickets.take(peer, this.clock.now())
    return taken === undefined ? undefined : `${taken.session.toString()}${taken.isFirstUse ? '' : ', used'}`
  }
}

describe('kept tickets', () => {
  let state: MemoryStateStore
  let calendar: number
  const start = (startsAt = 1_000, options?: Partial<TicketStoreOptions>, context?: string): Process =>
    new Process(state, startsAt, () => calendar, options, context)
  beforeEach(() => {
    state = new MemoryStateStore()
    calendar = 1_700_000_000_000
  })

  it('outlive the process, whatever its clock says', () => {
    const first = start(5_000_000)
    first.put('peer', 'a')
    first.put('other', 'x')
    first.vault.flush()
    const second = start(3)
    expect([second.take(), second.take('other'), second.take('third')]).toEqual(['a', 'x', undefined])
    expect(second.faults).toEqual([])
  })

  it('are written a quarter of a second after a change, once for all that changed', () => {
    const one = start()
    one.put('peer', 'a')
    one.put('peer', 'b')
    expect(state.log).toEqual([])
    one.clock.advance(249)
    expect(state.log).toEqual([])
    one.clock.advance(1)
    expect(state.log).toEqual([expect.stringMatching(/^write [\w-]{43}$/)])
    one.clock.advance(10_000)
    expect(state.log).toEqual([expect.stringMatching(/^write [\w-]{43}$/)])
  })

  it('are stored sealed', () => {
    const one = start()
    one.put('peer', 'a secret of the session')
    one.vault.flush()
    const [[name, record] = ['', Buffer.alloc(0)]] = state.records
    expect(record.length).toBeGreaterThan(20)
    expect([name.includes('peer'), record.includes('secret')]).toEqual([false, false])
  })

  it('are removed from the store before they are used, so that each goes to one process', () => {
    const first = start()
    for (const name of ['a', 'b']) first.put('peer', name)
    first.vault.flush()
    const [second, third] = [start(), start()]
    expect(second.take()).toBe('b')
    expect(state.records.size).toBe(0)
    expect([third.take(), first.take()]).toEqual([undefined, undefined])
    second.vault.flush()
    expect(third.take()).toBe('a')
    expect(second.take()).toBeUndefined()
  })

  it('are fresh once, over all processes, while the last one stays for resumption', () => {
    const first = start()
    first.put('peer', 'a')
    expect(first.take()).toBe('a')
    first.vault.flush()
    const second = start()
    expect(second.take()).toBe('a, used')
    second.vault.flush()
    expect(start().take()).toBe('a, used')
  })

  it('give way to a fresh one, wherever it came from', () => {
    const first = start()
    first.put('peer', 'a')
    first.take()
    first.vault.flush()
    const second = start()
    second.put('peer', 'b')
    second.vault.flush()
    const third = start()
    expect([third.take(), third.take()]).toEqual(['b', 'b, used'])
  })

  it('of two processes are merged, the newest last, up to the limit', () => {
    const [first, second] = [start(1, { maxTicketsPerPeer: 3 }), start(1, { maxTicketsPerPeer: 3 })]
    for (const name of ['a', 'b']) first.put('peer', name)
    for (const name of ['c', 'd']) second.put('peer', name)
    first.vault.flush()
    second.vault.flush()
    const third = start()
    expect([third.take(), third.take(), third.take(), third.take()]).toEqual(['d', 'c', 'b', 'b, used'])
  })

  it('are given back when they were never sent', () => {
    const first = start()
    first.put('peer', 'a')
    first.vault.flush()
    const taken = first.tickets.take('peer', first.clock.now())!
    first.vault.flush()
    first.tickets.giveBack('peer', taken)
    first.vault.flush()
    expect(start().take()).toBe('a')
  })

  it('are given back as used when another process had them meanwhile, or not at all while they are out', () => {
    const first = start()
    first.put('peer', 'a')
    const taken = first.tickets.take('peer', first.clock.now())!
    first.vault.flush() // lies with the keeper for whoever comes
    expect(first.take()).toBe('a, used')
    first.tickets.giveBack('peer', taken)
    expect(first.take()).toBe('a, used')

    const second = start()
    second.put('other', 'b')
    const early = second.tickets.take('other', second.clock.now())!
    second.vault.flush()
    expect(start().take('other')).toMatch(/^b/)
    second.tickets.giveBack('other', early)
    expect(second.take('other')).not.toBe('b')
  })

  it('are forgotten with their peer', () => {
    const one = start()
    one.put('peer', 'a')
    one.put('other', 'x')
    one.vault.flush()
    one.tickets.purge('peer')
    one.vault.flush()
    expect(state.records.size).toBe(1)
    one.tickets.clear()
    expect(state.records.size).toBe(0)
  })

  it('expire by the calendar, and with the certificate that vouched for them, whose names they contain', () => {
    const first = start()
    first.put('peer', 'a', { lifetimeMs: HOUR_MS })
    first.put('other', 'x', {
      lifetimeMs: 2 * HOUR_MS,
      trustedUntil: first.clock.now() + 2 * HOUR_MS,
      certificateNames: ['a.example'],
    })
    first.vault.flush()
    calendar += HOUR_MS
    const second = start(9)
    expect(second.take()).toBeUndefined()
    expect(second.tickets.take('other', 9)).toMatchObject({
      trustedUntil: 9 + HOUR_MS,
      certificateNames: ['a.example'],
    })
  })

  it('do not live longer because the calendar was set back', () => {
    const first = start(0, { maxLifetimeMs: HOUR_MS })
    first.put('peer', 'a')
    first.vault.flush()
    calendar -= 1000 * HOUR_MS
    const second = start(0, { maxLifetimeMs: HOUR_MS })
    expect(second.tickets.take('peer', 0)?.trustedUntil).toBe(HOUR_MS)
  })

  it('do not open under another key, changed, or under the name of another peer, and are removed then', () => {
    const first = start()
    /** Writes the ticket of a peer and says where. */
    const recordOf = (peer: string): string => {
      const before = new Set(state.records.keys())
      first.put(peer, peer)
      first.vault.flush()
      return [...state.records.keys()].find(name => !before.has(name))!
    }
    const [one, two, three, four] = ['one', 'two', 'three', 'four'].map(recordOf)
    state.records.set(two!, Buffer.from(state.records.get(one!)!))
    state.records.get(three!)!.writeUInt8(0xff, 20)
    const second = start()
    expect(['two', 'three', 'one'].map(peer => second.take(peer))).toEqual([undefined, undefined, 'one'])
    state.sealingKey = Buffer.alloc(32, 8)
    const third = start()
    expect(third.take('four')).toBeUndefined()
    expect([second.faults.length, third.faults]).toEqual([1, [expect.stringContaining('not ours')]])
    expect([two, three, four].map(name => state.records.has(name!))).toEqual([false, false, false])
  })

  it('stay where they are while there is no key to open them', () => {
    const first = start()
    first.put('peer', 'a')
    first.vault.flush()
    state.keyFault = new Error('the key is being replaced')
    const second = start()
    expect([second.take(), state.records.size]).toEqual([undefined, 1])
    state.keyFault = undefined
    expect([second.take(), second.faults.length]).toEqual(['a', 1])
  })

  it('are found again by a process that trusts the same authorities, and by no other', () => {
    const first = start()
    first.put('peer', 'a')
    first.vault.flush()
    expect(start(1, {}, 'other authorities').take()).toBeUndefined()
    expect(start().take()).toBe('a')
  })

  it('stay in memory alone while the store fails, which is reported once', () => {
    const one = start()
    state.fault = new Error('the disk is full')
    one.put('peer', 'a')
    one.vault.flush()
    expect([one.take(), one.take()]).toEqual(['a', 'a, used'])
    expect(one.faults).toEqual([expect.stringContaining('the disk is full')])
  })

  it('that may be used elsewhere are not fresh any more', () => {
    const one = start()
    one.put('peer', 'a')
    one.vault.flush()
    state.fault = new Error('the disk is gone')
    expect(one.take()).toBe('a, used')
    state.fault = undefined
    one.vault.flush()
    state.fault = new Error('the disk is gone')
    one.put('peer', 'b')
    expect(one.take()).toBe('b')
    expect(one.faults).toHaveLength(2)
  })

  it('are bounded in peers', () => {
    const one = start()
    for (let i = 0; i < 600; i++) one.put(`peer${i}`, 'a')
    one.vault.flush()
    expect(state.records.size).toBeLessThan(8 + 256 + 1)
  })
})

const KEY = Buffer.alloc(32, 1)
const NONCE = Buffer.alloc(12, 2)
const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map(array => Buffer.from(array))

describe('a sealed record', () => {
  it('opens with its key and name, and returns what was sealed', () => {
    fc.assert(
      fc.property(bytes(2_000), fc.string(), (plain, name) => {
        expect(unseal(KEY, name, seal(KEY, name, plain, NONCE))).toEqual(plain)
      }),
    )
  })

  it('does not open with another key or name', () => {
    const record = seal(KEY, 'peer', Buffer.from('x'), NONCE)
    expect(unseal(Buffer.alloc(32, 3), 'peer', record)).toBeUndefined()
    expect(unseal(KEY, 'peer2', record)).toBeUndefined()
  })

  it('does not open when a bit of it was changed, or when it was cut or made longer', () => {
    const record = seal(KEY, 'peer', Buffer.from('some secret'), NONCE)
    fc.assert(
      fc.property(fc.nat(record.length * 8 - 1), bit => {
        const changed = Buffer.from(record)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        expect(unseal(KEY, 'peer', changed)).toBeUndefined()
      }),
    )
    for (let length = 0; length < record.length; length++) {
      expect(unseal(KEY, 'peer', record.subarray(0, length))).toBeUndefined()
    }
    expect(unseal(KEY, 'peer', Buffer.concat([record, Buffer.alloc(1)]))).toBeUndefined()
  })

  it('is never read from garbage', () => {
    fc.assert(fc.property(bytes(200), garbage => unseal(KEY, 'peer', garbage) === undefined))
  })
})
