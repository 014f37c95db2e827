import { isDeepStrictEqual } from 'node:util'
import type { ListenSettings, ServiceSettings } from '../config/service-settings.ts'

/** Parts of a configuration that open sockets and files, and so take effect at a restart only. */
const RESTART_ONLY: readonly (keyof ServiceSettings)[] = [
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
  const parts: string[] = RESTART_ONLY.filter(part => !isDeepStrictEqual(started[part], after[part]))
  const isSame =
    started.listen.length === after.listen.length &&
    started.listen.every((listener, index) => isSameListener(listener, after.listen[index]))
  if (!isSame) parts.unshift('listen')
  const warnings = parts.map(part => `${part}: the change takes effect at the next start`)
  if (started.forwarding.pseudonym !== after.forwarding.pseudonym)
    warnings.push('forwarding.via: what a listener refuses by itself has the new name from the next start on')
  return warnings
}

/** Whether they differ in their certificates at the most, which a running listener takes. */
export function isSameListener(a: ListenSettings | undefined, b: ListenSettings | undefined): boolean {
  if (a === undefined || b === undefined || (a.tls === undefined) !== (b.tls === undefined)) return false
  return isDeepStrictEqual({ ...a, tls: undefined }, { ...b, tls: undefined })
}
