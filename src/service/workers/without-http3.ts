import type { OriginOptions, Protocol } from '../../index.ts'
import type { ServiceSettings } from '../config/service-settings.ts'

const ALL: readonly Protocol[] = ['h3', 'h2', 'http/1.1']

/** The settings with HTTP/3 left out for these origins, by key; who has nothing else keeps it. */
export function withoutHttp3(settings: ServiceSettings, keys: readonly string[]): ServiceSettings {
  if (keys.length === 0) return settings
  const { defaults, origins = {} } = settings.transport
  const changed: Record<string, OriginOptions> = { ...origins }
  for (const key of keys) {
    const options = origins[key]
    if (options === undefined) continue // a reload has removed it
    const protocols = (options.protocols ?? defaults?.protocols ?? ALL).filter(protocol => protocol !== 'h3')
    if (protocols.length > 0) changed[key] = { ...options, protocols }
  }
  return { ...settings, transport: { ...settings.transport, origins: changed } }
}
