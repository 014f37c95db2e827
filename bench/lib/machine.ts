import { execFileSync, spawnSync } from 'node:child_process'
import { machineFacts as ownFacts } from '../../src/bench/machine.ts'
import type { MachineFacts } from '../../src/bench/results/machine-facts.ts'
import { findBinary } from '../../test/support/require-binary.ts'
import { repositoryRoot } from './repository.ts'

/** With the servers and tools that scenarios are measured against, and the revision of this checkout. */
export function machineFacts(): MachineFacts {
  const facts = ownFacts()
  return {
    ...facts,
    versions: {
      ...facts.versions,
      nginx: versionOf('nginx', ['-v'], /nginx\/(\S+)/),
      haproxy: versionOf('haproxy', ['-v'], /version (\S+)/i),
      caddy: versionOf('caddy', ['version'], /v?(\d\S*)/),
      wrk: versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
      nghttpx: versionOf('nghttpx', ['--version'], /nghttp2\/(\S+)/),
      h2load: versionOf('h2load', ['--version'], /nghttp2\/(\S+)/),
    },
    revision: gitRevision(),
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
