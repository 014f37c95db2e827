import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { removeStateOf, SharedState } from '../../../../src/service/workers/shared-state.ts'
import { makeTemporaryDirectory } from '../../../support/temporary-directory.ts'

const place = makeTemporaryDirectory('shared-state')
afterAll(() => place.remove())
const open = (inherited?: string) => SharedState.open(inherited, ['/absent', place.path])

describe('the directory that workers share', () => {
  it('is made where there is room, for nobody else, and goes with the service', () => {
    const state = open()
    expect(state.directory.startsWith(join(place.path, 'middlemile-'))).toBe(true)
    expect(statSync(state.directory).mode & 0o777).toBe(0o700)
    state.remove()
    expect(existsSync(state.directory)).toBe(false)
    state.remove()
  })

  it('is that of a predecessor, which then removes it no more', () => {
    const state = open()
    writeFileSync(join(state.directory, 'kept'), 'a')
    // The predecessor is another process.
    writeFileSync(join(state.directory, 'owner'), '1')
    const next = open(state.directory)
    expect(next.directory).toBe(state.directory)
    removeStateOf(1, state.directory)
    expect(readFileSync(join(state.directory, 'kept'), 'utf8')).toBe('a')
    writeFileSync(join(state.directory, 'owner'), '1')
    next.remove()
    expect(existsSync(state.directory)).toBe(true)
    next.own()
    next.remove()
    expect(existsSync(state.directory)).toBe(false)
  })

  it('is a new one where the predecessor left none, or one that others may read', () => {
    const [readable, link] = [join(place.path, 'readable'), join(place.path, 'link')]
    mkdirSync(readable)
    chmodSync(readable, 0o755)
    symlinkSync(place.path, link)
    for (const inherited of ['/absent', readable, link]) {
      const state = open(inherited)
      expect(state.directory).not.toBe(inherited)
      state.remove()
    }
  })

  it('is none where nothing can be written', () => {
    expect(() => SharedState.open(undefined, ['/absent', '/proc'])).toThrow(/ENOENT|EACCES|EPERM/)
  })
})
