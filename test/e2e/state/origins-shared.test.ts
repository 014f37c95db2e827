import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OriginRecordStore } from '../../../src/state/origin-record-store.ts'
import { FileStore } from '../../../src/state/store.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { SHELF_ORIGIN, type ShelfProcess, startShelfProcess } from '../../support/record-store-process.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

/** The files of the one record in the directory. */
function filesOf(directory: string): string[] {
  const [record = 'none'] = readdirSync(join(directory, 'origins'))
  return readdirSync(join(directory, 'origins', record))
}

describe('an origin record that several processes write at the same time', () => {
  let temporary: TemporaryDirectory
  let faults: string[]
  const read = (): Record<string, number> => {
    const shelf = new OriginRecordStore({
      store: new FileStore(temporary.path).openOrigins(),
      clock: new FakeClock(),
      maxOrigins: 8,
      collect: () => undefined,
      merge: (a, b) => ({ ...(a as object), ...(b as object) }),
      onFault: message => void faults.push(message),
    })
    return (shelf.read(SHELF_ORIGIN) ?? {}) as Record<string, number>
  }
  beforeEach(() => {
    temporary = makeTemporaryDirectory('shared-state')
    faults = []
  })
  afterEach(() => temporary.remove())

  it('has every fact of each of them at the end, and never has fewer than before', async () => {
    const writes = 150
    const writer = `
      const shelf = openShelf()
      say('ready')
      for (let i = 0; i < ${writes}; i++) put(shelf, number + '-' + i, i)
      say(JSON.stringify(faults))`
    // Each fact that was once read is read ever after.
    const reader = `
      const shelf = openShelf()
      say('ready')
      let seen = new Set()
      let lost = 0
      const until = Date.now() + 20_000
      while (seen.size < ${4 * writes} && Date.now() < until) {
        const now = new Set(Object.keys(shelf.read(ORIGIN) ?? {}))
        for (const fact of seen) if (!now.has(fact)) lost++
        seen = now
      }
      say(JSON.stringify({ lost, faults, seen: seen.size }))`
    const readers = [startShelfProcess(temporary.path, 9, reader)]
    const writers = [0, 1, 2, 3].map(number => startShelfProcess(temporary.path, number, writer))
    const ends = await Promise.all([...writers, ...readers].map(({ ended }) => ended))
    expect(ends).toEqual([0, 0, 0, 0, 0])

    for (const { lines } of writers) expect(lines).toEqual(['ready', '[]'])
    expect(JSON.parse(readers[0]!.lines[1]!)).toEqual({ lost: 0, faults: [], seen: 4 * writes })
    expect(Object.keys(read())).toHaveLength(4 * writes)
    expect(faults).toEqual([])
    expect(filesOf(temporary.path).filter(file => !file.endsWith('.json'))).toEqual([])
  })

  it('has what was written by processes that were killed, whenever that was', async () => {
    const writer = `
      const shelf = openShelf()
      for (let i = 0; ; i = (i + 1) % 100) {
        put(shelf, number + '-' + i, 1)
        say(number + '-' + i)
      }`
    const processes: ShelfProcess[] = []
    for (let round = 0; round < 4; round++) {
      const started = [0, 1, 2].map(number => startShelfProcess(temporary.path, 3 * round + number, writer))
      processes.push(...started)
      for (const { hasSaid, child, ended } of started) {
        await hasSaid(20 + round)
        child.kill('SIGKILL')
        expect(await ended).toBe('SIGKILL')
      }
    }
    const facts = read()
    const confirmed = new Set(processes.flatMap(({ lines }) => lines))
    expect(confirmed.size).toBeGreaterThan(12 * 20)
    expect([...confirmed].filter(fact => facts[fact] !== 1)).toEqual([])
    expect(faults).toEqual([])
  })

  it('may be forgotten by one of them meanwhile', async () => {
    const writer = `
      const shelf = openShelf()
      for (let i = 0; i < 150; i++) put(shelf, number + '-' + i, i)
      say(JSON.stringify(faults))`
    const forgetter = `
      const shelf = openShelf()
      for (let i = 0; i < 150; i++) {
        shelf.forget(ORIGIN)
        put(shelf, 'last-' + i, i)
      }
      say(JSON.stringify(faults))`
    const processes = [
      startShelfProcess(temporary.path, 0, writer),
      startShelfProcess(temporary.path, 1, writer),
      startShelfProcess(temporary.path, 2, forgetter),
    ]
    const ends = await Promise.all(processes.map(({ ended }) => ended))
    expect(ends).toEqual([0, 0, 0])
    for (const { lines } of processes) expect(lines).toEqual(['[]'])
    expect(read()).toMatchObject({ 'last-149': 149 })
    const records = readdirSync(join(temporary.path, 'origins')).filter(name => !name.endsWith('.part'))
    expect(records).toHaveLength(1)
  })
})
