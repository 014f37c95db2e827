// `npm run structure`: what the layout of the source comes to. With --check it fails on an import cycle, an
// import or a piece of I/O that the dependency rules forbid, a folder with too many files, a comment that is
// too wide, and a README that is too long; the other figures are aims and no limits.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { staleRules, trespasses } from './dependency-rules.mjs'
import { entryPoints } from './entry-points.mjs'
import { root } from './setup.mjs'
import { findCycles, importGraph } from './source-graph.mjs'

const MAX_FILES_PER_FOLDER = 25
const MAX_README_WORDS = 900
const COMMENT_COLUMNS = 110
const SHORT_LINES = 40
const LONG_LINES = 500

const files = ['src', 'bench'].flatMap(sourcesIn)
const folders = countBy(files, ([path]) => path.slice(0, path.lastIndexOf('/')))
const lines = files.map(([, text]) => text.split('\n').length - 1).sort((a, b) => a - b)
const cycles = findCycles(importGraph(files))
const wideComments = files.flatMap(wideCommentsIn)
const readmeWords = readFileSync(join(root, 'README.md'), 'utf8').split(/\s+/).filter(Boolean).length

const faults = [
  ...trespasses(files),
  ...staleRules(files.map(([path]) => path)).map(
    name => `scripts/dependency-rules.mjs names ${name}, which is gone`,
  ),
  ...cycles.map(cycle => `import cycle: ${[...cycle, cycle[0]].join(' -> ')}`),
  ...[...folders]
    .filter(([, count]) => count > MAX_FILES_PER_FOLDER)
    .map(([folder, count]) => `${folder} has ${count} files, more than ${MAX_FILES_PER_FOLDER}`),
  ...(readmeWords > MAX_README_WORDS
    ? [`README.md has ${readmeWords} words, more than ${MAX_README_WORDS}`]
    : []),
  ...wideComments.map(place => `${place}: a comment has at most ${COMMENT_COLUMNS} columns: cut it`),
]

console.log(
  `files per folder, the fullest first (src/ and bench/: ${files.length} files in ${folders.size} folders)`,
)
for (const [folder, count] of [...folders].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)))
  console.log(`${String(count).padStart(5)}  ${folder}`)
console.log(
  `lines of a file: median ${median(lines)}; ${lines.filter(count => count < SHORT_LINES).length} files below ${SHORT_LINES}, ${lines.filter(count => count > LONG_LINES).length} above ${LONG_LINES}`,
)
console.log(`import cycles, of types too: ${cycles.length}`)
for (const { subpath, names } of entryPoints(root)) {
  const types = names.filter(({ isType }) => isType).length
  console.log(`exports of ${subpath}: ${names.length} (${names.length - types} values, ${types} types)`)
}
console.log(`comment lines beyond ${COMMENT_COLUMNS} columns: ${wideComments.length}`)
console.log(`words of README.md: ${readmeWords}`)

if (process.argv.includes('--check')) {
  for (const fault of faults) console.error(`structure: ${fault}`)
  process.exitCode = faults.length === 0 ? 0 : 1
}

/** [path, text] of every source file, paths relative to the project with `/`. */
function sourcesIn(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && /\.(?:[cm]?ts|[cm]?js|c|h)$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
    .map(path => [relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')])
}

function countBy(items, keyOf) {
  const counts = new Map()
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return counts
}

/** The upper one of two in the middle. */
function median(sorted) {
  return sorted[Math.floor(sorted.length / 2)]
}

/** `path:line` of every comment that is too wide; behind code, the number of a rule (`// 3`) is no sentence. */
function wideCommentsIn([path, text]) {
  return text.split('\n').flatMap((line, index) => {
    const isComment = /^\s*(?:\/\/|\/?\*)/.test(line) || /\s\/\/\s(?!\d+$)/.test(line)
    return isComment && line.length > COMMENT_COLUMNS ? [`${path}:${index + 1}`] : []
  })
}
