import { isDeepStrictEqual } from 'node:util'
import type { ServiceSettings } from '../config/service-settings.ts'

/** Parts of a configuration that open sockets and files, and so take effect at a restart only. */
const RESTART_ONLY: readonly (keyof ServiceSettings)[] = [
  'listen',
  'ingress',
  'admin',
  'log',
  'state',
  'qlog',
  'dnsServers',
  'resolver',
]

/** What a reload leaves as it was when the service started, though the new configuration says otherwise. */
export function restartWarnings(started: ServiceSettings, after: ServiceSettings): string[] {
  const warnings = RESTART_ONLY.filter(part => !isDeepStrictEqual(started[part], after[part])).map(
    part => `${part}: the change takes effect at the next start`,
  )
  if (started.forwarding.pseudonym !== after.forwarding.pseudonym)
    warnings.push('forwarding.via: what a listener refuses by itself has the new name from the next start on')
  return warnings
}
