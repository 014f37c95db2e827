import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileStore } from '../../../src/state/store.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('FileStore', () => {
  let temporary: TemporaryDirectory
  let directory: string
  beforeEach(() => {
    temporary = makeTemporaryDirectory('store')
    directory = join(temporary.path, 'deep', 'state')
  })
  afterEach(() => temporary.remove())

  it('makes a directory and a key that nobody else can read, and finds them again', () => {
    const key = new FileStore(directory).key()
    expect(key).toHaveLength(32)
    expect(new FileStore(directory).key()).toEqual(key)
    new FileStore(directory).write('peer', Buffer.from('x'))
    const paths = [
      directory,
      join(directory, 'key'),
      join(directory, 'tickets'),
      join(directory, 'tickets', 'peer'),
    ]
    expect(paths.map(modeOf)).toEqual(['700', '600', '700', '600'])
  })

  it('gives a record to the first who claims it', () => {
    const [one, other] = [new FileStore(directory), new FileStore(directory)]
    one.write('peer', Buffer.from('first'))
    one.write('peer', Buffer.from('second'))
    expect([other.claim('peer')?.toString(), one.claim('peer')]).toEqual(['second', undefined])
    expect(readdirSync(join(directory, 'tickets'))).toEqual([])
  })

  it('removes', () => {
    const store = new FileStore(directory)
    store.write('peer', Buffer.from('x'))
    store.remove('peer')
    store.remove('peer')
    expect(store.claim('peer')).toBeUndefined()
  })

  it('keeps the newest records, and clears away what dead processes have left', () => {
    const store = new FileStore(directory)
    const place = join(directory, 'tickets')
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      store.write(name, Buffer.from('x'))
      utimesSync(join(place, name), index, index)
    }
    writeFileSync(join(place, 'd.1-abc.part'), 'half')
    utimesSync(join(place, 'd.1-abc.part'), 1, 1)
    writeFileSync(join(place, 'e.1-abc.part'), 'somebody writes it now')
    store.prune(2)
    expect(readdirSync(place).sort()).toEqual(['b', 'c', 'e.1-abc.part'])
  })

  it.each(['', '.', '../key', 'a/b', 'x'.repeat(65)])('has no record called %j', name => {
    const store = new FileStore(directory)
    expect(() => store.write(name, Buffer.from('x'))).toThrow('not the name of a record')
    expect(() => store.claim(name)).toThrow('not the name of a record')
  })

  it('trusts no directory that others can write into, and no key that they can read', () => {
    new FileStore(directory).key()
    chmodSync(join(directory, 'key'), 0o640)
    expect(() => new FileStore(directory).key()).toThrow('others may read it')
    chmodSync(join(directory, 'key'), 0o600)
    chmodSync(directory, 0o770)
    expect(() => new FileStore(directory)).toThrow('others may write into it')
    chmodSync(directory, 0o755)
    expect(() => new FileStore(directory).key()).not.toThrow()
  })

  it('refuses a key that is none of ours, and does not replace it', () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, 'key'), 'short', { mode: 0o600 })
    expect(() => new FileStore(directory).key()).toThrow('must have 32 bytes')
    expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('short')
  })

  it('refuses what is no directory, or too large for a record', () => {
    writeFileSync(join(temporary.path, 'file'), 'x')
    expect(() => new FileStore(join(temporary.path, 'file'))).toThrow()
    const store = new FileStore(directory)
    store.write('peer', Buffer.alloc(1024 * 1024 + 1))
    expect(() => store.claim('peer')).toThrow('more than we write')
    expect(store.claim('peer')).toBeUndefined()
  })

  it('follows no link in the place of the directory or the key', () => {
    new FileStore(directory).key()
    symlinkSync(directory, join(temporary.path, 'link'))
    expect(() => new FileStore(join(temporary.path, 'link'))).toThrow('is a link')
    expect(existsSync(join(directory, 'key'))).toBe(true)
  })
})
