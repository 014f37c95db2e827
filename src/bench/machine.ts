import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { packageVersion } from '../base/package-require.ts'
import type { MachineFacts } from './results/scenario-result.ts'

/** What figures of this process depend on. No names of machines or people. */
export function machineFacts(): MachineFacts {
  return {
    cores: availableParallelism(),
    cpuModel: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    distribution: /^PRETTY_NAME="(.*)"/m.exec(readOr('/etc/os-release'))?.[1] ?? 'unknown',
    congestionControl: readOr('/proc/sys/net/ipv4/tcp_congestion_control').trim() || 'unknown',
    loadAtStart: loadavg()[0] ?? 0,
    versions: {
      node: process.versions.node,
      openssl: process.versions.openssl,
      undici: versionOf('undici/package.json'),
    },
    revision: `v${packageVersion()}`,
  }
}

/** Of the undici package that is measured against, not of the one inside Node. */
function versionOf(manifest: string): string {
  try {
    const { version } = createRequire(import.meta.url)(manifest) as { version: string } // of package.json
    return version
  } catch {
    return 'unknown'
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
