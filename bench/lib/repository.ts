import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Where package.json stands: the bench runs from its compiled copy, some folders further down than its
 * source.
 */
export const repositoryRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory
  const parent = dirname(directory)
  if (parent === directory) throw new Error('the bench does not stand inside the repository')
  return findRoot(parent)
}

/** A file of the build, or undefined when it was not built. */
export function builtFile(name: string): string | undefined {
  const path = join(repositoryRoot, 'dist', name)
  return existsSync(path) ? path : undefined
}

export const NOT_BUILT = 'not built: run npm run build'
