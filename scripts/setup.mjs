// What `npm start` and `npm test` need before they can begin, done only when it is missing or stale. Plain JavaScript without
// dependencies, since it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

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
  )
  if (modifiedAt(STAMP) >= newest) return
  console.error('setup: compiling (tsc)')
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.build.json'])
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(STAMP, '')
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
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile())
      newest = Math.max(newest, modifiedAt(join(entry.parentPath ?? entry.path, entry.name)))
  }
  return newest
}
