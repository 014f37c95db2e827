import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** A folder of a user's, with the package as `npm pack` makes it in its node_modules. */
export interface InstalledPackage extends Disposable {
  readonly directory: string
  /** Of the package. */
  readonly manifest: { readonly bin: { readonly middlemile: string } }
}

let packed: Promise<string> | undefined

/** The archive that `npm pack` makes, once for this process. */
async function packOnce(): Promise<string> {
  const temporary = makeTemporaryDirectory('packed')
  const options = ['--ignore-scripts', '--loglevel=error', '--pack-destination', temporary.path]
  const { stdout } = await promisify(execFile)('npm', ['pack', ...options], { cwd: root })
  return join(temporary.path, stdout.trim())
}

/** As `npm install` would, but without a registry: what the package declares is linked to what is installed here. */
export async function installPackage(): Promise<InstalledPackage> {
  const temporary = makeTemporaryDirectory('package')
  const modules = join(temporary.path, 'node_modules')
  mkdirSync(modules)
  packed ??= packOnce()
  await promisify(execFile)('tar', ['xzf', await packed], { cwd: temporary.path })
  renameSync(join(temporary.path, 'package'), join(modules, 'middlemile'))
  const text = readFileSync(join(modules, 'middlemile', 'package.json'), 'utf8')
  const manifest = JSON.parse(text) as InstalledPackage['manifest'] &
    Record<'dependencies' | 'optionalDependencies', object> // our own
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
    linkModule(temporary.path, name)
  return { directory: temporary.path, manifest, [Symbol.dispose]: () => temporary.remove() }
}

/** What is installed here as `from` is installed in that folder as `name`. */
export function linkModule(directory: string, name: string, from = name): void {
  const path = join(directory, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  rmSync(path, { force: true }) // of an earlier try
  symlinkSync(join(root, 'node_modules', from), path)
}
