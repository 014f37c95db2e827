// What `npm start` and `npm test` need before they can begin, done only when it is missing or stale. Plain
// JavaScript without dependencies, since it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
/** In dist/: when its code, and its declarations, were built. */
export const CODE_STAMP = '.built'
export const TYPES_STAMP = '.typed'

/** Installs from the lock file when node_modules is missing or older than it. */
export function ensureInstalled() {
  const installed = modifiedAt(join(root, 'node_modules', '.package-lock.json'))
  if (installed >= modifiedAt(join(root, 'package-lock.json'))) return
  console.error('setup: installing dependencies (npm ci)')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/**
 * Builds dist/ when a source file is newer than the last build; with `types` the declarations as well, which only
 * the package and its checks need.
 */
export function ensureBuilt({ types = false } = {}) {
  const newest = Math.max(
    newestIn(join(root, 'src')),
    modifiedAt(join(root, 'scripts', 'build.mjs')),
    modifiedAt(join(root, 'scripts', 'entry-points.mjs')),
    modifiedAt(join(root, 'tsconfig.build.json')),
    modifiedAt(join(root, 'tsconfig.json')),
    modifiedAt(join(root, 'package-lock.json')), // parts of some dependencies are in it
  )
  const isCode = modifiedAt(join(root, 'dist', CODE_STAMP)) >= newest
  const isTypes = !types || modifiedAt(join(root, 'dist', TYPES_STAMP)) >= newest
  if (isCode && isTypes) return
  console.error(`setup: building${isCode ? ' declarations' : ''}`)
  run(process.execPath, [join(root, 'scripts', 'build.mjs'), ...(types ? [] : ['--no-types'])])
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
