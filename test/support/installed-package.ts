import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
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

/** As `npm install` would, but without a registry: what the package declares is linked to what is installed here. */
export async function installPackage(): Promise<InstalledPackage> {
  const temporary = makeTemporaryDirectory('package')
  const modules = join(temporary.path, 'node_modules')
  mkdirSync(modules)
  const run = promisify(execFile)
  await run('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', temporary.path], {
    cwd: root,
  })
  await run('sh', ['-c', 'tar xzf middlemile-*.tgz && mv package node_modules/middlemile'], {
    cwd: temporary.path,
  })
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
