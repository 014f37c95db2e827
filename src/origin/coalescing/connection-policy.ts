import type { OriginSettings } from '../origin-settings.ts'
import type { ConnectionPolicy } from './coalescing-decision.ts'

/**
 * What is set on pools, requests or the choice of a lane, and so may differ between origins that share a
 * connection; and `tls`, which is judged by itself.
 */
const OWN: ReadonlySet<string> = new Set<keyof OriginSettings>([
  'protocols',
  'select',
  'pool',
  'timeouts',
  'retry',
  'tls',
  'earlyData',
  'earlyDataOverTcp',
  'tfo',
  'coalesce',
  'certificateNames',
  'endpoints',
  'resolve',
  'fingerprint',
])

/**
 * What the settings of an origin make of its connections. What is added to the settings stands in it without
 * further ado: who differs in it does not share. `trust`: from trustOf().
 */
export function connectionPolicy(settings: OriginSettings, trust: string): ConnectionPolicy {
  const { tls } = settings
  return {
    serverName: tls.serverName?.replace(/\.$/, ''),
    isVerified: tls.rejectUnauthorized !== false,
    trust,
    settings: JSON.stringify(Object.entries(settings).filter(([name]) => !OWN.has(name))),
  }
}
