import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileStore } from '../../../src/memory/store.ts'
import type { GlobalLimits } from '../../../src/options.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { openState } from '../../../src/transport/open-state.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { MemoryRecordStore } from '../memory/memory-record-store.ts'

const SHOP = 'https://shop.test'

describe('openState', () => {
  let temporary: TemporaryDirectory
  let directory: string
  let faults: string[]
  beforeEach(() => {
    temporary = makeTemporaryDirectory('state')
    directory = join(temporary.path, 'state')
    faults = []
  })
  afterEach(() => temporary.remove())
  const onFault = (message: string): void => void faults.push(message)
  const open = (facts?: unknown, clock = new FakeClock()) => {
    const learned: unknown[] = []
    const origins = {
      collect: () => facts,
      merge: (a: unknown, b: unknown) => ({ ...(a as object), ...(b as object) }),
      onLearned: (originKey: string, theirs: unknown) => void learned.push([originKey, theirs]),
    }
    return { ...openState({ state: { directory } }, { clock, origins, onFault }), learned }
  }

  it('keeps tickets and origin records in one directory, for the next one who opens it', () => {
    const first = open({ a: 1 })
    first.tickets.put('peer', Buffer.from('a'), 0)
    first.shelf!.onChanged(SHOP)
    first.flush()
    expect(readdirSync(directory).sort()).toEqual(['key', 'origins', 'tickets'])
    const second = open({ b: 2 })
    expect(second.shelf!.read(SHOP)).toEqual({ a: 1 })
    expect(second.tickets.take('peer', 0)?.session.toString()).toBe('a')
    second.shelf!.onChanged(SHOP)
    second.flush()
    expect(open().shelf!.read(SHOP)).toEqual({ a: 1, b: 2 })
    expect([second.learned, faults]).toEqual([[[SHOP, { a: 1 }]], []])
  })

  it('writes records by its clock', () => {
    const clock = new FakeClock()
    open({ a: 1 }, clock).shelf!.onChanged(SHOP)
    clock.advance(1_000)
    expect(open().shelf!.read(SHOP)).toEqual({ a: 1 })
  })

  it('has no shelf without a directory, nor for who keeps no records, and none is made then', () => {
    const clock = new FakeClock()
    const origins = { collect: () => 1, merge: () => 1 }
    expect(openState({}, { clock, origins, onFault }).shelf).toBeUndefined()
    const ticketsOnly = openState({ state: { directory } }, { clock, origins: undefined, onFault })
    ticketsOnly.flush()
    expect([ticketsOnly.shelf, existsSync(join(directory, 'origins')), faults]).toEqual([
      undefined,
      false,
      [],
    ])
  })

  it('goes on without a directory that cannot be used, or without records when only theirs cannot, and says so', () => {
    open({ a: 1 })
    chmodSync(join(directory, 'origins'), 0o755)
    const ticketsOnly = open({ a: 1 })
    ticketsOnly.tickets.put('peer', Buffer.from('a'), 0)
    ticketsOnly.flush()
    expect([ticketsOnly.shelf, readdirSync(join(directory, 'tickets')).length]).toEqual([undefined, 1])
    chmodSync(directory, 0o777)
    const nothing = open({ a: 1 })
    nothing.tickets.put('peer', Buffer.from('b'), 0)
    nothing.flush()
    expect([nothing.shelf, nothing.tickets.take('peer', 0)?.session.toString()]).toEqual([undefined, 'b'])
    expect(faults).toEqual([
      expect.stringContaining('the origins directory of the state directory cannot be used: '),
      expect.stringContaining('the state directory cannot be used: '),
    ])
  })

  it('keeps as many origins as the transport may have, if those are more than 1024', () => {
    const prunedTo = (limits: Partial<GlobalLimits>): string | undefined => {
      const records = new MemoryRecordStore()
      const openOrigins = vi.spyOn(FileStore.prototype, 'openOrigins').mockReturnValue(records)
      const origins = { collect: () => 1, merge: () => 1 }
      const { shelf, flush } = openState(
        { state: { directory }, limits },
        { clock: new FakeClock(), origins, onFault },
      )
      openOrigins.mockRestore()
      shelf!.onChanged(SHOP)
      flush()
      return records.log.at(-1)
    }
    expect([{}, { maxOrigins: 0 }, { maxOrigins: 10 }, { maxOrigins: 1_050 }].map(prunedTo)).toEqual([
      'prune 1024',
      'prune 1024',
      'prune 1024',
      'prune 1050',
    ])
  })
})
