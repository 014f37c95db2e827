// What `npm start` and `npm test` need before they can begin, done only when it is missing or stale. Plain
// JavaScript without dependencies, since it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
/** In dist/: when its code, and its declarations, were built. */
export const CODE_STAMP = '.built'
export const TYPES_STAMP = '.typed'

/** npm writes it last: what it lists is there as a whole. */
const INSTALLED = join(root, 'node_modules', '.package-lock.json')
/** Fewer questions to the registry: the lock file has the answers. */
const NPM_OPTIONS = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

/**
 * Installs from the lock file what is missing, and everything when node_modules is older than it. Without `tools` only
 * what `npm start` needs, which is a sixth of it; tools/package.json has the rest.
 */
export function ensureInstalled({ tools = true } = {}) {
  const hasTools =
    existsSync(INSTALLED) && readFileSync(INSTALLED, 'utf8').includes('"node_modules/middlemile-tools"')
  const isCurrent = modifiedAt(INSTALLED) >= modifiedAt(join(root, 'package-lock.json'))
  if (isCurrent && (hasTools || !tools)) return
  if (isCurrent) {
    // `npm ci` would begin by removing what a demo in another terminal runs on.
    console.error('setup: installing what tests and checks need as well (npm install)')
    run('npm', ['install', '--no-save', ...NPM_OPTIONS])
  } else if (tools || hasTools) {
    console.error('setup: installing dependencies (npm ci)')
    run('npm', ['ci', ...NPM_OPTIONS])
  } else {
    console.error('setup: installing dependencies (npm ci --workspaces=false)')
    run('npm', ['ci', '--workspaces=false', ...NPM_OPTIONS])
  }
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
