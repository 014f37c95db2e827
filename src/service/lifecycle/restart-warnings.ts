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

/** What a reload leaves as it was, though the new configuration says otherwise. */
export function restartWarnings(before: ServiceSettings, after: ServiceSettings): string[] {
  return RESTART_ONLY.filter(part => !isDeepStrictEqual(before[part], after[part])).map(
    part => `${part}: the change takes effect at the next start`,
  )
}
