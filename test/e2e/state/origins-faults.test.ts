import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type OpenState, openState } from '../../../src/origin/open-state.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { SHELF_ORIGIN, startShelfProcess } from '../../support/record-store-process.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const NOBODY = 65_534

describe('origin records on a faulty disk', () => {
  let temporary: TemporaryDirectory
  let faults: string[]
  let facts: Record<string, number> | undefined
  const open = (): OpenState =>
    openState(
      { state: { directory: temporary.path } },
      {
        clock: new FakeClock(),
        origins: {
          collect: () => facts,
          merge: (a, b) => ({ ...(a as object), ...(b as object) }),
          onLearned: undefined,
        },
        onFault: message => void faults.push(message),
      },
    )
  /** Writes facts as a process does that ends then. */
  const keep = (kept: Record<string, number>): void => {
    const state = open()
    facts = kept
    state.shelf!.onChanged(SHELF_ORIGIN)
    state.flush()
  }
  /** The directory of the one record, and its one file. */
  const place = (): { record: string; file: string } => {
    const origins = join(temporary.path, 'origins')
    const record = join(origins, readdirSync(origins)[0]!)
    return { record, file: join(record, readdirSync(record).find(name => name.endsWith('.json'))!) }
  }
  beforeEach(() => {
    temporary = makeTemporaryDirectory('bad-state')
    faults = []
    facts = undefined
  })
  afterEach(() => temporary.remove())

  it.each<[string, (file: string) => void, string]>([
    ['truncated', file => truncateSync(file, 90), 'the checksum does not fit'],
    ['emptied', file => truncateSync(file, 0), 'empty'],
    ['filled with garbage', file => writeFileSync(file, Buffer.alloc(4_000, 0xa5)), 'not a record of ours'],
    [
      'changed in one digit',
      file => writeFileSync(file, readFileSync(file, 'utf8').replace('"a": 1', '"a": 2')),
      'the checksum does not fit',
    ],
    ['2 GB', file => truncateSync(file, 2 * 1024 ** 3), 'has 2147483648 bytes'],
    [
      'a directory',
      file => {
        rmSync(file)
        mkdirSync(join(file, 'deep'), { recursive: true })
      },
      'is no file',
    ],
    [
      'a link to a file of somebody',
      file => {
        rmSync(file)
        symlinkSync('/etc/passwd', file)
      },
      'is a link',
    ],
    [
      'a link to nothing',
      file => {
        rmSync(file)
        symlinkSync('nothing', file)
      },
      'is a link',
    ],
  ])('start anew with a warning: %s', (_how, spoil, because) => {
    keep({ a: 1 })
    spoil(place().file)
    const state = open()
    expect(state.shelf!.read(SHELF_ORIGIN)).toBeUndefined()
    state.shelf!.read(SHELF_ORIGIN)
    expect(faults).toEqual([
      expect.stringMatching(/^the record of https:\/\/shop\.test is not used and starts anew: /),
    ])
    expect(faults[0]).toContain(because)
    expect(faults[0]).toContain(join(temporary.path, 'origins'))
    keep({ b: 2 })
    expect(open().shelf!.read(SHELF_ORIGIN)).toEqual({ b: 2 })
    expect(readdirSync(place().record)).toContain('damaged')
    expect(faults).toHaveLength(1)
  })

  it('stay in memory alone, with a warning, for a file or a link in the place of a record', () => {
    keep({ a: 1 })
    const { record } = place()
    for (const spoil of [
      () => writeFileSync(record, 'x', { mode: 0o600 }),
      () => symlinkSync(temporary.path, record),
    ]) {
      rmSync(record, { recursive: true })
      spoil()
      faults = []
      const state = open()
      for (let i = 0; i < 3; i++) {
        expect(state.shelf!.read(SHELF_ORIGIN)).toBeUndefined()
        state.shelf!.onChanged(SHELF_ORIGIN)
        state.flush()
      }
      expect(faults.map(fault => fault.split(':')[0])).toEqual([
        'origin records cannot be read',
        'origin records cannot be written',
      ])
    }
  })

  it('stay as they were on a full disk, with one warning and nothing half written', async () => {
    keep({ a: 1 })
    const before = readFileSync(place().file, 'utf8')
    const body = `
      const shelf = openShelf()
      for (let i = 0; i < 3; i++) put(shelf, 'b', i)
      say(JSON.stringify({ faults, kept: shelf.read(ORIGIN) }))`
    // A limit on the size of files fails a write where a full disk does; the signal that comes with it would
    // end the process.
    const { ended, lines } = startShelfProcess(temporary.path, 1, body, "trap '' XFSZ; ulimit -f 0")
    expect(await ended).toBe(0)
    const origins = join(temporary.path, 'origins')
    expect(JSON.parse(lines[0]!)).toEqual({
      faults: [`origin records cannot be written: ${origins} cannot be written into: EFBIG`],
      kept: { a: 1 },
    })
    expect(readdirSync(place().record)).toHaveLength(1)
    expect(readFileSync(place().file, 'utf8')).toBe(before)
  })

  it('are read in a directory that is read-only, with one warning that it cannot be written', async () => {
    keep({ a: 1 })
    const { record, file } = place()
    const origins = join(temporary.path, 'origins')
    const paths = [temporary.path, origins, join(temporary.path, 'tickets'), record, file]
    if (process.getuid?.() === 0) for (const path of paths) chownSync(path, NOBODY, NOBODY)
    chmodSync(record, 0o500)
    const body = `
      dropRights()
      const shelf = openShelf()
      for (let i = 0; i < 3; i++) put(shelf, 'b', i)
      say(JSON.stringify({ faults, kept: shelf.read(ORIGIN) }))`
    const { ended, lines } = startShelfProcess(temporary.path, 1, body)
    expect(await ended).toBe(0)
    chmodSync(record, 0o700)
    expect(JSON.parse(lines[0]!)).toEqual({
      faults: [`origin records cannot be written: ${origins} cannot be written into: EACCES`],
      kept: { a: 1 },
    })
  })

  it.runIf(process.getuid?.() === 0)(
    'stay in memory alone, with a warning, in a directory of another user',
    () => {
      keep({ a: 1 })
      chownSync(join(temporary.path, 'origins'), NOBODY, NOBODY)
      const state = open()
      state.tickets.put('peer', Buffer.from('a'), 0)
      state.flush()
      expect(state.shelf).toBeUndefined()
      expect(readdirSync(join(temporary.path, 'tickets'))).toHaveLength(1) // those are not concerned
      expect(faults).toEqual([
        `the origins directory of the state directory cannot be used: ${join(temporary.path, 'origins')} belongs to another user`,
      ])
    },
  )
})
