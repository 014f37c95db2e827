import type { PathPattern } from './path-pattern.ts'

/** What the values of captures are called, and what they are. */
export type Captures = Readonly<Record<string, string>>

/** Why a path leads where it does. */
export interface PathMatch<Leaf> {
  readonly leaf: Leaf
  readonly captures: Captures
}

export const NO_CAPTURES: Captures = Object.freeze(Object.create(null) as Captures) // it has none

interface Entry<Leaf> {
  readonly leaf: Leaf
  readonly names: readonly string[]
  /** Where it captures nothing: the same for every request. */
  readonly match: PathMatch<Leaf>
}

interface CaptureBranch<Leaf> {
  readonly before: string
  readonly after: string
  readonly node: Node<Leaf>
}

/** What follows is captured. */
interface RestBranch<Leaf> {
  readonly after: string
  readonly entries: Entry<Leaf>[]
}

/** The place after some segments. */
class Node<Leaf> {
  readonly literals = new Map<string, Node<Leaf>>()
  /** The most text around the capture first. */
  readonly captures: CaptureBranch<Leaf>[] = []
  /** Paths that end here. */
  readonly ends: Entry<Leaf>[] = []
  /** The longest text behind the capture first. */
  readonly rests: RestBranch<Leaf>[] = []
  /** Prefixes. */
  readonly any: Entry<Leaf>[] = []
}

/**
 * The routes of one host by path. The order in which they are asked is that of a walk through the tree, so
 * that it needs no comparing of routes: segment by segment from the left, (1) the literal text, (2) the
 * capture with the most text around it, (3) what captures the rest, the longest text behind it first, (4)
 * a prefix that ends here. Routes of the same place are asked in the order in which they were added.
 *
 * A walk visits each node once at the most, and those alone whose segments match.
 */
export class PathTree<Leaf> {
  readonly #root = new Node<Leaf>()

  add({ segments, tail, names }: PathPattern, leaf: Leaf): void {
    let node = this.#root
    for (const segment of segments) {
      node =
        segment.kind === 'literal'
          ? literalBelow(node, segment.text)
          : captureBelow(node, segment.before, segment.after)
    }
    const entry = { leaf, names, match: { leaf, captures: NO_CAPTURES } }
    if (tail.kind === 'end') node.ends.push(entry)
    else if (tail.kind === 'any') node.any.push(entry)
    else restBelow(node, tail.after).entries.push(entry)
  }

  /**
   * The first route on the walk that `accepts` takes. `path` is without its query; `*` of OPTIONS has no
   * segments, and finds prefixes of everything.
   */
  find(path: string, accepts: (leaf: Leaf) => boolean): PathMatch<Leaf> | undefined {
    return walk(this.#root, path, path.startsWith('/') ? 1 : BEYOND, [], accepts)
  }
}

/** There is no further segment. */
const BEYOND = -1

function walk<Leaf>(
  node: Node<Leaf>,
  path: string,
  at: number,
  values: string[],
  accepts: (leaf: Leaf) => boolean,
): PathMatch<Leaf> | undefined {
  if (at === BEYOND) return pick(node.ends, values, accepts) ?? pick(node.any, values, accepts)
  if (node.literals.size > 0 || node.captures.length > 0) {
    const slash = path.indexOf('/', at)
    const end = slash === -1 ? path.length : slash
    const next = slash === -1 ? BEYOND : slash + 1
    const segment = path.slice(at, end)
    const literal = node.literals.get(segment)
    const found = literal && walk(literal, path, next, values, accepts)
    if (found !== undefined) return found
    for (const { before, after, node: below } of node.captures) {
      const isLong = segment.length > before.length + after.length
      if (!isLong || !segment.startsWith(before) || !segment.endsWith(after)) continue
      values.push(segment.slice(before.length, segment.length - after.length))
      const match = walk(below, path, next, values, accepts)
      if (match !== undefined) return match
      values.pop()
    }
  }
  for (const { after, entries } of node.rests) {
    if (!path.endsWith(after) || path.length - after.length < at) continue
    values.push(path.slice(at, path.length - after.length))
    const match = pick(entries, values, accepts)
    if (match !== undefined) return match
    values.pop()
  }
  return pick(node.any, values, accepts)
}

function pick<Leaf>(
  entries: readonly Entry<Leaf>[],
  values: readonly string[],
  accepts: (leaf: Leaf) => boolean,
): PathMatch<Leaf> | undefined {
  for (const { leaf, names, match } of entries) {
    if (!accepts(leaf)) continue
    if (names.length === 0) return match
    const captures: Record<string, string> = Object.create(null) // a capture may be called __proto__
    for (const [index, name] of names.entries()) captures[name] = values[index] ?? ''
    return { leaf, captures }
  }
  return undefined
}

function literalBelow<Leaf>(node: Node<Leaf>, text: string): Node<Leaf> {
  const known = node.literals.get(text)
  if (known !== undefined) return known
  const below = new Node<Leaf>()
  node.literals.set(text, below)
  return below
}

function captureBelow<Leaf>(node: Node<Leaf>, before: string, after: string): Node<Leaf> {
  const known = node.captures.find(branch => branch.before === before && branch.after === after)
  if (known !== undefined) return known.node
  const branch = { before, after, node: new Node<Leaf>() }
  node.captures.push(branch)
  node.captures.sort((a, b) => textAround(b) - textAround(a))
  return branch.node
}

function restBelow<Leaf>(node: Node<Leaf>, after: string): RestBranch<Leaf> {
  const known = node.rests.find(branch => branch.after === after)
  if (known !== undefined) return known
  const branch = { after, entries: [] }
  node.rests.push(branch)
  node.rests.sort((a, b) => b.after.length - a.after.length)
  return branch
}

function textAround({ before, after }: { readonly before: string; readonly after: string }): number {
  return before.length + after.length
}
