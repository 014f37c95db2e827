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
import { secretObjection } from '../../../src/state/private-files.ts'
import { decodeOperatorKey, FileStore } from '../../../src/state/store.ts'
import { fc } from '../../support/property.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
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

  it('gives a record to the first process that claims it', () => {
    const [one, other] = [new FileStore(directory), new FileStore(directory)]
    one.write('peer', Buffer.from('first'))
    one.write('peer', Buffer.from('second'))
    expect([other.claim('peer')?.toString(), one.claim('peer')]).toEqual(['second', undefined])
    expect(readdirSync(join(directory, 'tickets'))).toEqual([])
  })

  it('removes a record', () => {
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

  it('trusts no directory that others can write to, and no key that they can read', () => {
    new FileStore(directory).key()
    chmodSync(join(directory, 'key'), 0o640)
    expect(() => new FileStore(directory).key()).toThrow('others may read it')
    chmodSync(join(directory, 'key'), 0o600)
    chmodSync(directory, 0o770)
    expect(() => new FileStore(directory)).toThrow('others may write into it')
    chmodSync(directory, 0o755)
    expect(() => new FileStore(directory).key()).not.toThrow()
  })

  it('refuses a key of another format, and does not replace it', () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, 'key'), 'short', { mode: 0o600 })
    expect(() => new FileStore(directory).key()).toThrow('must have 32 bytes')
    expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('short')
  })

  it('refuses a path that is no directory, and a record that is too large', () => {
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

const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 8))

describe('the key of an operator', () => {
  it.each<[string, Buffer | string]>([
    ['plain', key],
    ['in hexadecimal', key.toString('hex')],
    ['in hexadecimal of capitals, with a line break', `${key.toString('hex').toUpperCase()}\n`],
    ['in base64', key.toString('base64')],
    ['in base64 with a line break of Windows', `${key.toString('base64')}\r\n`],
  ])('is read %s', (_form, bytes) => {
    expect(decodeOperatorKey(Buffer.from(bytes))).toEqual(key)
  })

  it.each<[string, Buffer | string]>([
    ['nothing', ''],
    ['one byte less', key.subarray(1)],
    ['one byte more', Buffer.concat([key, Buffer.of(1)])],
    ['plain, with a line break', Buffer.concat([key, Buffer.from('\n')])],
    ['32 characters of text: 128 bits in hexadecimal', key.toString('hex').slice(32)],
    ['32 characters with a line break', `${key.toString('hex').slice(33)}\n`],
    ['62 digits', key.toString('hex').slice(2)],
    ['66 digits', `${key.toString('hex')}00`],
    ['what is no digit', `${key.toString('hex').slice(1)}g`],
    ['base64 of 33 bytes', Buffer.alloc(33, 7).toString('base64')],
    ['base64 of 31 bytes', Buffer.alloc(31, 7).toString('base64')],
    ['two lines', `${key.toString('hex')}\n\n`],
    ['spaces before it', ` ${key.toString('base64')}`],
  ])('is not read from %s', (_what, bytes) => {
    expect(decodeOperatorKey(Buffer.from(bytes))).toBeUndefined()
  })

  it('has 32 bytes, whatever is read', () => {
    const text = fc.stringMatching(/^[0-9a-f+/=\n]{30,68}$/).map(it => new Uint8Array(Buffer.from(it)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 70 }), text), bytes => {
        expect(decodeOperatorKey(Buffer.from(bytes))?.length ?? 32).toBe(32)
      }),
    )
  })
})

describe('the permissions of a key file', () => {
  it.each<[string, number, number, string | undefined]>([
    ['ours alone', 1000, 0o600, undefined],
    ['ours, not even written by us', 1000, 0o400, undefined],
    ["root's, for a group that we are in", 0, 0o440, undefined],
    ["root's, written by root only", 0, 0o640, undefined],
    ['ours, read by a group', 1000, 0o640, 'its group may read it (chmod g-rwx)'],
    ['ours, read by all', 1000, 0o644, 'others may read it (chmod o-rwx)'],
    ["root's, read by all", 0, 0o444, 'others may read it (chmod o-rwx)'],
    ["root's, written by a group", 0, 0o660, 'others may write into it (chmod go-w)'],
    ["somebody else's", 1001, 0o600, 'it belongs to another user'],
  ])('are judged for a file that is %s', (_whose, uid, mode, objection) => {
    expect(secretObjection({ uid, mode: mode | 0o100_000 }, 1000)).toBe(objection)
  })

  it('do not allow root a key that a group may read, since nobody needs that', () => {
    expect(secretObjection({ uid: 0, mode: 0o640 }, 0)).toBe('its group may read it (chmod g-rwx)')
  })

  it('are not judged where files have no such bits', () => {
    expect(secretObjection({ uid: 0, mode: 0o666 }, undefined)).toBeUndefined()
  })
})

describe('the key file of an operator', () => {
  let temporary: TemporaryDirectory
  let keyFile: string
  let directory: string
  beforeEach(() => {
    temporary = makeTemporaryDirectory('operator-key')
    keyFile = join(temporary.path, 'operator.key')
    directory = join(temporary.path, 'state')
  })
  afterEach(() => temporary.remove())
  const write = (bytes: string | Buffer, mode = 0o600): void => {
    writeFileSync(keyFile, bytes)
    chmodSync(keyFile, mode)
  }

  it('is what `openssl rand` writes', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    for (const form of [[], ['-hex'], ['-base64']]) {
      await runTool('openssl', ['rand', '-out', keyFile, ...form, '32'])
      chmodSync(keyFile, 0o600)
      expect(new FileStore(directory, keyFile).key()).toHaveLength(32)
    }
  })

  it('is used in place of a generated one, and none is generated then', () => {
    write('ab'.repeat(32))
    expect(new FileStore(directory, keyFile).key()).toEqual(Buffer.alloc(32, 0xab))
    expect(readdirSync(directory)).toEqual(['tickets'])
  })

  it('may be a link, as containers mount secrets', () => {
    write('ab'.repeat(32))
    symlinkSync(keyFile, join(temporary.path, 'link'))
    expect(new FileStore(directory, join(temporary.path, 'link')).key()).toEqual(Buffer.alloc(32, 0xab))
  })

  it.each<[string, () => unknown, string]>([
    ['is missing', () => {}, 'is not there'],
    ['is too short', () => write('abc'), 'holds no key'],
    ['has no end', () => write(Buffer.alloc(1 << 20, 'a')), 'holds no key'],
    ['is readable by all', () => write('ab'.repeat(32), 0o604), 'others may read it'],
    ['is a directory', () => mkdirSync(keyFile), 'is no file'],
    ['is a pipe', () => runTool('mkfifo', ['-m', '600', keyFile]), 'is no file'],
  ])('that %s is refused, and nothing is put in its place', async (_why, make, words) => {
    await make()
    const store = new FileStore(directory, keyFile)
    expect(() => store.key()).toThrow(words)
    expect(() => store.key()).toThrow(keyFile)
    expect(readdirSync(directory)).toEqual(['tickets'])
  })
})
