import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { secretObjection } from '../../../src/state/private-files.ts'
import { FileStore } from '../../../src/state/store.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

describe('what others may do with the file of a key', () => {
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
  ])('%s', (_whose, uid, mode, objection) => {
    expect(secretObjection({ uid, mode: mode | 0o100_000 }, 1000)).toBe(objection)
  })

  it('does not let root have a key that a group may read: nobody needs it', () => {
    expect(secretObjection({ uid: 0, mode: 0o640 }, 0)).toBe('its group may read it (chmod g-rwx)')
  })

  it('is no question where files have no such bits', () => {
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

  it('stands for the one that is made, and none is made then', () => {
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
