import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RecordStore } from '../../../src/state/record-store.ts'
import { FileStore } from '../../../src/state/store.ts'
import { runTool } from '../../support/run-tool.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the files of origin records', () => {
  let temporary: TemporaryDirectory
  let origins: string
  const open = (): RecordStore => new FileStore(temporary.path).openOrigins()
  const contents = (store: RecordStore, name = 'shop'): string[] =>
    store.siblings(name).map(({ content }) => content.toString())
  beforeEach(() => {
    temporary = makeTemporaryDirectory('records')
    origins = join(temporary.path, 'origins')
  })
  afterEach(() => temporary.remove())

  it('have a directory for each origin, with one file at rest, that nobody else can read', () => {
    const store = open()
    expect(store.siblings('shop')).toEqual([])
    store.replace('shop', Buffer.from('first'), [])
    const superseded = store.siblings('shop').map(({ id }) => id)
    store.replace('shop', Buffer.from('second'), superseded)
    expect(contents(open())).toEqual(['second'])
    const [file, ...more] = readdirSync(join(origins, 'shop'))
    expect(more).toEqual([])
    const paths = [origins, join(origins, 'shop'), join(origins, 'shop', file!)]
    expect(paths.map(modeOf)).toEqual(['700', '700', '600'])
  })

  it('get a sibling from each process that wrote without having read the other, and name its origin', () => {
    const [one, other] = [open(), open()]
    one.replace('shop', Buffer.from('a'), [])
    other.replace('shop', Buffer.from('b'), [])
    const seen = one.siblings('shop')
    expect(seen.map(({ isOwn, content }) => `${content.toString()} ${isOwn}`).sort()).toEqual([
      'a true',
      'b false',
    ])
    one.replace(
      'shop',
      Buffer.from('ab'),
      seen.map(({ id }) => id),
    )
    other.replace(
      'shop',
      Buffer.from('ba'),
      seen.map(({ id }) => id), // gone already
    )
    expect(contents(one).sort()).toEqual(['ab', 'ba'])
  })

  it('include foreign ones as such, which can be set aside', async () => {
    const store = open()
    store.replace('shop', Buffer.from('good'), [])
    const record = join(origins, 'shop')
    symlinkSync(join(record, readdirSync(record)[0]!), join(record, 'link.json'))
    mkdirSync(join(record, 'directory.json', 'deep'), { recursive: true })
    await runTool('mkfifo', [join(record, 'pipe.json')]) // who opens it for reading waits for a writer
    writeFileSync(join(record, 'large.json'), '')
    truncateSync(join(record, 'large.json'), 2 * 1024 ** 3)
    writeFileSync(join(record, 'no name of ours.json'), 'x')
    const strange = store.siblings('shop').filter(({ content }) => typeof content === 'string')
    expect(strange.map(({ content }) => content.toString().replace(record, '')).sort()).toEqual([
      '/directory.json is no file',
      '/large.json has 2147483648 bytes, more than we write',
      '/link.json is a link',
      '/pipe.json is no file',
    ])
    for (const { id } of strange) expect(store.setAside('shop', id)).toBe(join(record, 'damaged'))
    expect(store.setAside('shop', 'link')).toBeUndefined()
    expect(contents(store)).toEqual(['good'])
    expect(
      readdirSync(record)
        .filter(file => !/^\w+-1\.json$/.test(file))
        .sort(),
    ).toEqual(['damaged', 'no name of ours.json'])
  })

  it('are read up to a plausible number of siblings', () => {
    const store = open()
    for (let i = 0; i < 70; i++) store.replace('shop', Buffer.from('x'), [])
    const first = store.siblings('shop')
    expect(first).toHaveLength(64)
    store.replace(
      'shop',
      Buffer.from('x'),
      first.map(({ id }) => id),
    )
    expect(store.siblings('shop')).toHaveLength(7)
  })

  it('are removed as a whole', () => {
    const store = open()
    store.replace('shop', Buffer.from('x'), [])
    store.remove('shop')
    store.remove('shop')
    expect([store.siblings('shop'), readdirSync(origins)]).toEqual([[], []])
    store.replace('shop', Buffer.from('y'), [])
    expect(contents(store)).toEqual(['y'])
  })

  it('come back when the state directory was emptied, and not when it was removed', () => {
    const store = open()
    rmSync(origins, { recursive: true })
    expect(store.siblings('shop')).toEqual([])
    store.replace('shop', Buffer.from('y'), [])
    expect(contents(store)).toEqual(['y'])
    rmSync(temporary.path, { recursive: true })
    expect(() => store.replace('shop', Buffer.from('y'), [])).toThrow('cannot be written into: ENOENT')
    expect(existsSync(temporary.path)).toBe(false)
  })

  it('are pruned to the newest, and what dead processes have left is cleared away', () => {
    const store = open()
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      store.replace(name, Buffer.from(name), [])
      utimesSync(join(origins, name), index, index)
    }
    mkdirSync(join(origins, 'd.1-abc.part'))
    utimesSync(join(origins, 'd.1-abc.part'), 1, 1)
    mkdirSync(join(origins, 'e.1-abc.part'))
    store.prune(3)
    expect(readdirSync(origins).sort()).toEqual(['a', 'b', 'c', 'e.1-abc.part'])
    store.prune(2)
    expect(readdirSync(origins).sort()).toEqual(['b', 'c', 'e.1-abc.part'])

    const record = join(origins, 'c')
    writeFileSync(join(record, '1-abc.part'), 'half')
    utimesSync(join(record, '1-abc.part'), 1, 1)
    writeFileSync(join(record, '2-abc.part'), 'somebody writes it now')
    store.replace(
      'c',
      Buffer.from('d'),
      store.siblings('c').map(({ id }) => id),
    )
    expect(readdirSync(record).filter(file => file.endsWith('.part'))).toEqual(['2-abc.part'])
  })

  it.each(['', '.', '..', 'a/b', 'x'.repeat(65)])('have no record called %j', name => {
    const store = open()
    const complaint = 'not the name of a record'
    expect(() => store.siblings(name)).toThrow(complaint)
    expect(() => store.replace(name, Buffer.from('x'), [])).toThrow(complaint)
    expect(() => store.setAside(name, 'x')).toThrow(complaint)
    expect(() => store.remove(name)).toThrow(complaint)
  })

  it('are not kept in a directory that others can read or that is a link, nor in a file in its place', () => {
    open()
    chmodSync(origins, 0o750)
    expect(open).toThrow('others may read it')
    chmodSync(origins, 0o700)
    const store = open()
    mkdirSync(join(origins, 'open'))
    chmodSync(join(origins, 'open'), 0o755)
    symlinkSync(temporary.path, join(origins, 'link'))
    writeFileSync(join(origins, 'file'), 'precious', { mode: 0o600 })
    for (const [name, complaint] of [
      ['open', 'others may read it'],
      ['link', 'is a link'],
      ['file', 'is no directory'],
    ] as const) {
      expect(() => store.siblings(name), name).toThrow(complaint)
      const replaced = name === 'file' ? `${origins} cannot be written into: ENOTDIR` : complaint
      expect(() => store.replace(name, Buffer.from('x'), []), name).toThrow(replaced)
    }
    expect(readFileSync(join(origins, 'file'), 'utf8')).toBe('precious')
    expect(existsSync(join(temporary.path, 'key'))).toBe(false)
  })
})
