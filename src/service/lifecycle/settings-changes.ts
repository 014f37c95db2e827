import { isDeepStrictEqual } from 'node:util'
import { originUrl } from '../../entry/dispatch.ts'
import type { ServiceSettings } from '../config/service-settings.ts'

/** What a reload changes, a line for each part: `origin shop: added`. Secrets are in none. */
export function settingsChanges(before: ServiceSettings, after: ServiceSettings): string[] {
  const changes: string[] = []
  for (const { name } of before.origins)
    if (!after.origins.some(origin => origin.name === name)) changes.push(`origin ${name}: removed`)
  for (const { name, origin } of after.origins) {
    const old = before.origins.find(one => one.name === name)
    if (old === undefined) changes.push(`origin ${name}: added`)
    else if (!isDeepStrictEqual(originOf(before, name), originOf(after, name)))
      changes.push(
        `origin ${name}: changed${old.origin.key === origin.key ? '' : `, it is ${origin.key} now`}`,
      )
  }
  if (!isDeepStrictEqual(before.routes, after.routes))
    changes.push(`routes: ${before.routes.length} before, ${after.routes.length} now`)
  for (const [index, listener] of after.listen.entries()) {
    const old = before.listen[index]
    if (old?.tls !== undefined && listener.tls !== undefined && !isDeepStrictEqual(old.tls, listener.tls))
      changes.push(`listen[${index}]: other certificates`)
  }
  for (const part of ['forwarding', 'errors', 'memory', 'shutdown'] as const)
    if (!isDeepStrictEqual(before[part], after[part])) changes.push(`${part}: changed`)
  // Public hosts are those of routes.
  const limits = [before, after].map(({ transport }) => ({
    ...transport,
    origins: undefined,
    publicHosts: undefined,
  }))
  if (!isDeepStrictEqual(limits[0], limits[1])) changes.push('defaults, limits or resolve: changed')
  return changes
}

function originOf(settings: ServiceSettings, name: string): unknown {
  const found = settings.origins.find(origin => origin.name === name)
  return found && { ...found, options: settings.transport.origins?.[originUrl(found.origin)] }
}
