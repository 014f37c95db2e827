import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { onProcessExit } from './cleanup.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Sources (by a name, relative to src/) as JavaScript, for programs that import what dist/ does not export: Node 20
 * runs no TypeScript. The modules that several of them use are the same for all. Returns their URLs by name; they go
 * with this process.
 */
export async function compileSources<Name extends string>(
  sources: Readonly<Record<Name, string>>,
): Promise<Readonly<Record<Name, string>>> {
  const names = Object.keys(sources) as Name[] // its keys
  const temporary = join(root, '.tmp') // below the project, so that packages are found
  mkdirSync(temporary, { recursive: true })
  const directory = mkdtempSync(join(temporary, 'compiled-'))
  onProcessExit(() => rmSync(directory, { recursive: true, force: true }))
  const build = await rolldown({
    input: Object.fromEntries(names.map(name => [name, join(root, 'src', sources[name])])),
    platform: 'node',
    transform: { target: 'node20.19' },
    external: id => !/^(?:[./]|@oxc-project\/)/.test(id), // the compiler's own helpers come along
    logLevel: 'silent',
  })
  await build.write({ dir: directory, format: 'esm', chunkFileNames: '[name]-[hash].js' })
  await build.close()
  const urls = names.map(name => [name, pathToFileURL(join(directory, `${name}.js`)).href])
  return Object.fromEntries(urls) as Record<Name, string> // of the same names
}
