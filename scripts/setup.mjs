// What `npm start` and `npm test` need before they can begin, done only when it is missing or stale. Plain
// JavaScript without dependencies, since it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importsOf } from './source-graph.mjs'

export const root = fileURLToPath(new URL('..', import.meta.url))
const STAMP = join(root, 'dist', '.built')

/** Installs from the lock file when node_modules is missing or older than it. */
export function ensureInstalled() {
  const installed = modifiedAt(join(root, 'node_modules', '.package-lock.json'))
  if (installed >= modifiedAt(join(root, 'package-lock.json'))) return
  console.error('setup: installing dependencies (npm ci)')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/** Compiles when a source file is newer than the last build. */
export function ensureBuilt() {
  const newest = Math.max(
    newestIn(join(root, 'src')),
    modifiedAt(join(root, 'tsconfig.build.json')),
    modifiedAt(join(root, 'tsconfig.json')),
    modifiedAt(join(root, 'package.json')), // its exports say which declarations stay
  )
  if (modifiedAt(STAMP) >= newest) return
  console.error('setup: compiling (tsc)')
  build()
}

/**
 * Compiles src/ to dist/. Of the declarations only those stay that an entry point reaches: nobody can import
 * the others.
 */
export function build() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.build.json'])
  removeUnreachableDeclarations()
  mkdirSync(join(root, 'dist'), { recursive: true })
  chmodSync(join(root, 'dist', 'cli.js'), 0o755) // what npx runs
  writeFileSync(STAMP, '')
}

function removeUnreachableDeclarations() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const reachable = new Set()
  const open = Object.values(exports).flatMap(({ types }) => (types === undefined ? [] : [join(root, types)]))
  while (open.length > 0) {
    const file = open.pop()
    if (reachable.has(file)) continue
    reachable.add(file)
    for (const specifier of importsOf(readFileSync(file, 'utf8')))
      open.push(join(dirname(file), specifier.replace(/\.(?:ts|js)$/, '.d.ts')))
  }
  for (const file of filesIn(join(root, 'dist')))
    if (file.endsWith('.d.ts') && !reachable.has(file)) rmSync(file)
}

/** The path of a dependency's script. */
export function bin(name, script) {
  return join(root, 'node_modules', name, script)
}

/** Runs a command in the foreground; ends this process when it fails. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) console.error(`setup: ${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 3)
}

function modifiedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0
}

function newestIn(directory) {
  let newest = 0
  for (const file of filesIn(directory)) newest = Math.max(newest, modifiedAt(file))
  return newest
}

function filesIn(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath ?? entry.path, entry.name))
}
