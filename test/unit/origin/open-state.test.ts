import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GlobalLimits } from '../../../src/base/options/transport-options.ts'
import { type OpenState, openState, runtimeTrust } from '../../../src/origin/open-state.ts'
import { FileStore } from '../../../src/state/store.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { MemoryRecordStore } from '../state/memory-record-store.ts'

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

  it('keeps tickets and origin records in one directory, for the next process that opens it', () => {
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

  it('keeps no records without a directory, nor for an owner of none, and makes no file then', () => {
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

  it('goes on without a directory that cannot be used, or without records when only theirs cannot, and reports that', () => {
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

  it('seals tickets with the key of an operator, without which they are lost', () => {
    const keyFile = join(temporary.path, 'key')
    const openWith = (given?: string): OpenState => {
      const origins = { collect: () => ({ a: 1 }), merge: (_: unknown, facts: unknown) => facts }
      return openState({ state: { directory, keyFile: given } }, { clock: new FakeClock(), origins, onFault })
    }
    const keep = (state: OpenState): void => {
      state.tickets.put('peer', Buffer.from('a'), 0)
      state.flush()
    }
    const kept = (state: OpenState): string | undefined => state.tickets.take('peer', 0)?.session.toString()
    writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 })
    keep(openWith(keyFile))
    expect(existsSync(join(directory, 'key'))).toBe(false)
    expect([kept(openWith(keyFile)), faults]).toEqual(['a', []])
    keep(openWith(keyFile))
    expect(kept(openWith())).toBeUndefined()
    expect(kept(openWith(keyFile))).toBeUndefined()
    keep(openWith(keyFile))
    writeFileSync(keyFile, randomBytes(32))
    expect(kept(openWith(keyFile))).toBeUndefined()
    const notOurs = 'kept tickets cannot be read: a record is not ours, or was changed: it is thrown away'
    expect(faults).toEqual([notOurs, notOurs])
  })

  it.each<[string, (keyFile: string) => void]>([
    ['is missing', keyFile => rmSync(keyFile)],
    ['is too short', keyFile => writeFileSync(keyFile, 'abc')],
    ['can be read by others', keyFile => chmodSync(keyFile, 0o644)],
  ])(
    'forgets tickets, and keeps everything else, with a key file that %s, and reports that once',
    (_why, spoil) => {
      const keyFile = join(temporary.path, 'key')
      const openAgain = (): OpenState => {
        const origins = { collect: () => ({ a: 1 }), merge: (_: unknown, facts: unknown) => facts }
        const config = { directory, keyFile }
        return openState({ state: config }, { clock: new FakeClock(), origins, onFault })
      }
      writeFileSync(keyFile, 'ab'.repeat(32), { mode: 0o600 })
      const before = openAgain()
      before.tickets.put('peer', Buffer.from('before'), 0)
      before.flush()
      const good = readFileSync(keyFile)
      spoil(keyFile)
      const state = openAgain()
      expect(state.tickets.take('peer', 0)).toBeUndefined()
      state.tickets.put('peer', Buffer.from('a'), 0)
      state.shelf!.onChanged(SHOP)
      state.flush()
      expect(state.tickets.take('peer', 0)?.session.toString()).toBe('a')
      expect(openAgain().shelf!.read(SHOP)).toEqual({ a: 1 })
      expect(faults).toEqual(
        Array(2).fill(expect.stringContaining(`state.keyFile cannot be used: ${keyFile}`)),
      )
      // What was kept under it waits for it.
      writeFileSync(keyFile, good)
      chmodSync(keyFile, 0o600)
      expect(openAgain().tickets.take('peer', 0)?.session.toString()).toBe('before')
    },
  )

  it.each([{ directory: '' }, { directory: 'x', keyFile: '' }])(
    'refuses %j as an error of the caller',
    state => {
      const hooks = { clock: new FakeClock(), origins: undefined, onFault }
      expect(() => openState({ state }, hooks)).toThrow(
        expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
      )
    },
  )

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

describe('the trust of a runtime', () => {
  const plain = runtimeTrust({}, [])

  it('is the same for the same runtime', () => {
    expect(runtimeTrust({ HOME: '/elsewhere', NODE_OPTIONS: '--no-warnings' }, ['--expose-gc'])).toBe(plain)
  })

  it.each<[string, NodeJS.ProcessEnv, string[]]>([
    ['authorities of OpenSSL', {}, ['--use-openssl-ca']],
    ['the same in NODE_OPTIONS', { NODE_OPTIONS: '--use-system-ca' }, []],
    ['a file of OpenSSL', { SSL_CERT_FILE: '/etc/a.pem' }, []],
    ['a directory of OpenSSL', { SSL_CERT_DIR: '/etc/certs' }, []],
    ['authorities that cannot be read', { NODE_EXTRA_CA_CERTS: '/absent' }, []],
  ])('differs by %s', (_what, environment, flags) => {
    expect(runtimeTrust(environment, flags)).not.toBe(plain)
  })

  it('differs by the list that a program has put in place of the built-in one', () => {
    const [one, other] = [['PEM 1'], ['PEM 1', 'PEM 2']].map(list => runtimeTrust({}, [], list))
    expect(new Set([plain, one, other]).size).toBe(3)
    expect(runtimeTrust({}, [], ['PEM 1'])).toBe(one)
  })

  it('differs by the contents of additional authorities', () => {
    using directory = makeTemporaryDirectory('trust')
    const file = join(directory.path, 'ca.pem')
    const trust = (text: string): string => {
      writeFileSync(file, text)
      return runtimeTrust({ NODE_EXTRA_CA_CERTS: file }, [])
    }
    expect(trust('one')).toBe(trust('one'))
    expect(trust('one')).not.toBe(trust('two'))
  })
})
