import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** Rules of the whole project have no source file of their own. */
const EXCEPT = /^conventions\//
/** A longer file has more than one subject. */
const MAX_LINES = 500

const isSource = (path: string): boolean => existsSync(join(root, `${path}.ts`))

/**
 * Whether a source is what a test is named for: `pool/pools` or, for a part of it, `pool/pools-shared-limit` or
 * `pool/pools/shared-limit`.
 */
function isNamedFor(tree: string, test: string): boolean {
  const folder = join(tree, dirname(test))
  const words = basename(test).split('-')
  return (
    isSource(folder) || words.some((_, index) => isSource(join(folder, words.slice(0, index + 1).join('-'))))
  )
}

function hasSource(test: string): boolean {
  return (
    isNamedFor('src', test) ||
    (test.startsWith('bench/') && isNamedFor('.', test)) ||
    (test.startsWith('support/') && isNamedFor('test', test))
  )
}

/** Below a folder of the project. */
const testFiles = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.test.ts'),
  )

describe('a file of tests', () => {
  it(`has at most ${MAX_LINES} lines`, () => {
    const linesOf = (file: string): number =>
      readFileSync(join(root, 'test', file), 'utf8').split('\n').length - 1
    expect(testFiles('test').filter(file => linesOf(file) > MAX_LINES)).toEqual([])
  })
})

describe('a unit test', () => {
  const tests = testFiles('test/unit').map(file => file.slice(0, -'.test.ts'.length))

  it('stands where its source stands, and is named for it', () => {
    expect(hasSource('pool/pools-shared-limit')).toBe(true)
    expect(hasSource('pool/shared-limit')).toBe(false)
    expect(tests.filter(test => !EXCEPT.test(test) && !hasSource(test))).toEqual([])
  })
})
