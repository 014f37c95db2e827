import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { findBinary } from '../../test/support/require-binary.ts'
import { repositoryRoot } from './repository.ts'

/** What a figure depends on beside the code. No names of machines or people: results are published. */
export interface MachineFacts {
  cores: number
  cpuModel: string
  memoryGiB: number
  kernel: string
  distribution: string
  congestionControl: string
  /** One-minute load average when the run began: above a half, somebody else is using the machine. */
  loadAtStart: number
  versions: Record<string, string>
  /** The revision that was measured; `+` behind it: with changes that are not committed. */
  revision: string
}

export function machineFacts(): MachineFacts {
  return {
    cores: availableParallelism(),
    cpuModel: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    distribution: /^PRETTY_NAME="(.*)"/m.exec(readOr('/etc/os-release'))?.[1] ?? 'unknown',
    congestionControl: readOr('/proc/sys/net/ipv4/tcp_congestion_control').trim(),
    loadAtStart: loadavg()[0] ?? 0,
    versions: {
      node: process.versions.node,
      openssl: process.versions.openssl,
      undici: undiciVersion(),
      nginx: versionOf('nginx', ['-v'], /nginx\/(\S+)/),
      haproxy: versionOf('haproxy', ['-v'], /version (\S+)/i),
      caddy: versionOf('caddy', ['version'], /v?(\d\S*)/),
      wrk: versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
      h2load: versionOf('h2load', ['--version'], /nghttp2\/(\S+)/),
    },
    revision: gitRevision(),
  }
}

/** The version of the undici package that the bench measures against, not of the one inside Node. */
function undiciVersion(): string {
  // package.json says that it is one.
  const manifest = createRequire(import.meta.url)('undici/package.json') as { version: string }
  return manifest.version
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function versionOf(name: string, args: readonly string[], pattern: RegExp): string {
  const path = findBinary(name)
  if (path === undefined) return 'not installed'
  // Some print to stderr, some exit with 1 after their usage text.
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8', timeout: 5_000 })
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown'
}

function gitRevision(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: repositoryRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const revision = git('rev-parse', '--short', 'HEAD').trim()
    return git('status', '--porcelain', '--untracked-files=no') === '' ? revision : `${revision}+`
  } catch {
    return 'unknown'
  }
}
