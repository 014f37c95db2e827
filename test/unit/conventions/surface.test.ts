import { describe, expect, it } from 'vitest'
import {
  documentedExports,
  ENTRY_POINTS,
  exampleOf,
  exportedNames,
  headExample,
} from '../../support/entry-points.ts'
import { PUBLIC_SURFACE } from '../../support/public-surface.ts'

describe('the public surface', () => {
  it('has exactly the entry points of the list', () => {
    expect(ENTRY_POINTS.map(({ subpath }) => subpath)).toEqual(Object.keys(PUBLIC_SURFACE))
  })

  it.each(ENTRY_POINTS)('exports from $subpath exactly the names of the list', ({ subpath, names }) => {
    const named = (isType: boolean): string[] =>
      names.filter(entry => entry.isType === isType).map(({ name }) => name)
    expect({ values: named(false), types: named(true) }).toEqual(PUBLIC_SURFACE[subpath])
  })

  it('has each name in one entry point only, so that nobody has to choose', () => {
    const names = ENTRY_POINTS.flatMap(entry => entry.names.map(({ name }) => name))
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})

describe('a docstring of the public surface', () => {
  const exports = documentedExports()

  it('exists for every name', () => {
    expect(exports.filter(({ docstring }) => docstring === undefined || docstring === '')).toEqual([])
  })

  it('has an example for every name of "."', () => {
    const names = exports.filter(({ subpath }) => subpath === '.')
    expect(names.filter(({ docstring = '' }) => exampleOf(docstring) === undefined)).toEqual([])
  })

  it('has an example for every function, and every class that can be constructed', () => {
    const called = exports.filter(({ kind, isType }) => !isType && kind !== 'const')
    expect(called.filter(({ docstring = '' }) => exampleOf(docstring) === undefined)).toEqual([])
  })

  it.each(ENTRY_POINTS)('begins $subpath with an example', entry => {
    expect(headExample(entry)).toContain("from 'middlemile")
  })
})

describe('exportedNames()', () => {
  it('reads re-exports of values and types, by their outer names, in order', () => {
    const text =
      "/** A head. */\n\nexport type { C, B } from './b.ts'\nexport { a, type D, e as A } from './a.ts'\nexport {\n  f,\n} from './f.ts'\n"
    expect(exportedNames(text).map(({ name, isType }) => [name, isType])).toEqual([
      ['A', false],
      ['B', true],
      ['C', true],
      ['D', true],
      ['a', false],
      ['f', false],
    ])
  })

  it.each(["export * from './a.ts'", 'export const a = 1', "import './a.ts'"])(
    'refuses what would hide names: %s',
    text => {
      expect(() => exportedNames(text)).toThrow('re-exports by name and does nothing else')
    },
  )
})
