import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (name: string): string => readFileSync(join(root, name), 'utf8')

/** Where a package is named that is used: imported, linked, or run by its name. */
const FILES = [
  ...['src', 'test', 'bench', 'scripts'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => /\.(?:[cm]?[jt]s)$/.test(name))
      .map(name => `${folder}/${name}`),
  ),
  'vitest.config.ts',
].filter(name => name !== 'test/unit/conventions/tools.test.ts')

/** Those that nothing names: another tool finds them by itself. */
const UNNAMED = new Set(['oxlint-tsgolint', '@types/node'])

it('every tool that is installed for tests and checks is used', () => {
  const { devDependencies } = JSON.parse(read('tools/package.json')) as {
    devDependencies: Record<string, string> // our own
  }
  const sources = FILES.map(read).join('\n')
  const isNamed = (name: string): boolean => [`'${name}'`, `'${name}/`].some(text => sources.includes(text))
  // Types go with the package that they are of.
  const isUsed = (name: string): boolean => isNamed(name) || isNamed(name.replace(/^@types\//, ''))
  expect(Object.keys(devDependencies).length).toBeGreaterThan(10)
  expect(Object.keys(devDependencies).filter(name => !UNNAMED.has(name) && !isUsed(name))).toEqual([])
})
