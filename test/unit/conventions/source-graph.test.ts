import { describe, expect, it } from 'vitest'

type Graph = ReadonlyMap<string, readonly string[]>

// Plain JavaScript without types, since it runs before anything is installed.
const { findCycles, importGraph, importsOf } = (await import(
  new URL('../../../scripts/source-graph.mjs', import.meta.url).href
)) as {
  findCycles: (graph: Graph) => readonly (readonly string[])[]
  importGraph: (files: readonly (readonly [path: string, text: string])[]) => Graph
  importsOf: (text: string) => readonly string[]
}

function graphOf(arrows: Readonly<Record<string, string>>): Graph {
  return new Map(Object.entries(arrows).map(([from, to]) => [from, to === '' ? [] : to.split(' ')]))
}

describe('findCycles()', () => {
  it('finds none in a graph whose arrows all point down, diamonds among them', () => {
    expect(findCycles(graphOf({ a: 'b c', b: 'd', c: 'd', d: '' }))).toEqual([])
  })

  it('finds two files that import each other, and one that imports itself', () => {
    expect(findCycles(graphOf({ a: 'b', b: 'a c', c: '', d: 'd' }))).toEqual([['a', 'b'], ['d']])
  })

  it('gives one cycle for each group, the shortest through its first file', () => {
    const graph = graphOf({ x: 'y', y: 'z', z: 'x', a: 'b c', b: 'c', c: 'd', d: 'a b' })
    expect(findCycles(graph)).toEqual([
      ['a', 'c', 'd'],
      ['x', 'y', 'z'],
    ])
  })

  it('tells groups apart that only one arrow connects', () => {
    expect(findCycles(graphOf({ a: 'b', b: 'a c', c: 'd', d: 'c' }))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  it('follows a chain that no recursion would survive', () => {
    const graph = new Map(Array.from({ length: 20_000 }, (_, i) => [`${i}`, [`${(i + 1) % 20_000}`]]))
    expect(findCycles(graph).map(cycle => cycle.length)).toEqual([20_000])
  })
})

describe('importsOf()', () => {
  it('reads imports of values and of types, re-exports and dynamic imports, each once', () => {
    const text = [
      "import './a.ts'",
      "import type { B } from './b.ts'",
      "import {\n  type C,\n  c,\n} from '../c.ts'",
      "export type { D } from './d.ts'",
      "export * from './e.ts'",
      "const f = await import('./f.ts')",
      "type G = import('./g.ts').G",
      "import { again } from './a.ts'",
    ].join('\n')
    expect(importsOf(text)).toEqual(['./a.ts', './b.ts', '../c.ts', './d.ts', './e.ts', './f.ts', './g.ts'])
  })

  it('passes over packages, comments and what only looks like an import', () => {
    const text = [
      "import { readFileSync } from 'node:fs'",
      " * import { a } from './a.ts'",
      "// import('./b.ts')",
      "export const c = './c.ts'",
      'const d = "import { d } from \'./d.ts\'"',
    ].join('\n')
    expect(importsOf(text)).toEqual([])
  })
})

describe('importGraph()', () => {
  it('resolves specifiers against the file, takes the compiled name for the source, and leaves out what is not there', () => {
    const graph = importGraph([
      ['src/a/one.ts', "import { x } from '../two.ts'\nimport('./three.js')\nimport './gone.ts'"],
      ['src/two.ts', "import type { y } from './a/one.ts'"],
      ['src/a/three.ts', ''],
    ])
    expect([...graph]).toEqual([
      ['src/a/one.ts', ['src/two.ts', 'src/a/three.ts']],
      ['src/two.ts', ['src/a/one.ts']],
      ['src/a/three.ts', []],
    ])
  })
})
