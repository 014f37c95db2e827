// Which file imports which, types too, and where that goes in a circle. Without dependencies, and pure: it is
// handed paths and texts.
import { posix } from 'node:path'

/**
 * A statement at the start of a line, as the formatter leaves them: text in comments and most strings is
 * none.
 */
const STATIC_IMPORT = /^(?:import|export)\b(?:[^'"`;]*?\bfrom\s*)?\s*(['"])(\.[^'"\n]*)\1/gm
/** `import('./file.ts')`, for a value or for a type. */
const DYNAMIC_IMPORT = /\bimport\(\s*(['"])(\.[^'"\n]*)\1/
const COMMENT_LINE = /^\s*(?:\/\/|\/?\*)/

/**
 * The relative specifiers of a source text: imports, types among them, and re-exports. Each once, in order.
 */
export function importsOf(text) {
  const found = new Set(Array.from(text.matchAll(STATIC_IMPORT), match => match[2]))
  for (const line of text.split('\n')) {
    if (COMMENT_LINE.test(line)) continue
    for (const [, , specifier] of line.matchAll(new RegExp(DYNAMIC_IMPORT, 'g'))) found.add(specifier)
  }
  return [...found]
}

/**
 * The graph of files given as [path, text], paths with `/`: Map of path to the paths that it imports. What is
 * imported by the name of its compiled form counts as the source; what is not among the files is left out.
 */
export function importGraph(files) {
  const known = new Set(Array.from(files, ([path]) => path))
  const graph = new Map()
  for (const [path, text] of files) {
    const targets = importsOf(text).map(specifier => {
      const target = posix.join(posix.dirname(path), specifier)
      return known.has(target) ? target : target.replace(/\.(m?)js$/, '.$1ts')
    })
    graph.set(path, [...new Set(targets.filter(target => known.has(target)))])
  }
  return graph
}

/**
 * One cycle for each group of files that reach each other (a strongly connected component), the shortest
 * through its first file by name: `['a', 'b']` says that a imports b, and b imports a. Groups are in order of
 * their first file.
 */
export function findCycles(graph) {
  return components(graph)
    .map(group => [...group].sort(byName))
    .filter(group => group.length > 1 || (graph.get(group[0]) ?? []).includes(group[0]))
    .sort(([a], [b]) => byName(a, b))
    .map(group => shortestCycle(graph, group[0], new Set(group)))
}

function byName(a, b) {
  return a < b ? -1 : 1
}

/**
 * Tarjan's algorithm (1972), with a stack of its own in place of recursion: chains of imports may be long.
 */
function components(graph) {
  const index = new Map()
  const low = new Map()
  const open = []
  const isOpen = new Set()
  const found = []
  for (const root of graph.keys()) {
    if (index.has(root)) continue
    const visits = [enter(root)]
    while (visits.length > 0) {
      const visit = visits.at(-1)
      const { node } = visit
      if (visit.next < visit.targets.length) {
        const target = visit.targets[visit.next++]
        if (!index.has(target)) visits.push(enter(target))
        else if (isOpen.has(target)) low.set(node, Math.min(low.get(node), index.get(target)))
        continue
      }
      visits.pop()
      const parent = visits.at(-1)?.node
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent), low.get(node)))
      if (low.get(node) === index.get(node)) found.push(leave(node))
    }
  }
  return found

  function enter(node) {
    index.set(node, index.size)
    low.set(node, index.get(node))
    open.push(node)
    isOpen.add(node)
    return { node, targets: graph.get(node) ?? [], next: 0 }
  }

  function leave(node) {
    const group = open.splice(open.lastIndexOf(node))
    for (const member of group) isOpen.delete(member)
    return group
  }
}

/** Breadth first from `start`, within its group, until it comes back. */
function shortestCycle(graph, start, group) {
  const cameFrom = new Map()
  let frontier = [start]
  while (frontier.length > 0) {
    const next = []
    for (const node of frontier) {
      for (const target of graph.get(node) ?? []) {
        if (target === start) return pathTo(node, cameFrom)
        if (!group.has(target) || cameFrom.has(target)) continue
        cameFrom.set(target, node)
        next.push(target)
      }
    }
    frontier = next
  }
  throw new Error(`${start} is in no cycle`)
}

function pathTo(node, cameFrom) {
  const path = []
  for (let at = node; at !== undefined; at = cameFrom.get(at)) path.push(at)
  return path.reverse()
}
