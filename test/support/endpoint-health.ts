import {
  DEFAULT_HEALTH_OPTIONS,
  DEFAULT_OUTLIER_OPTIONS,
  type OutlierOptions,
} from '../../src/base/options/health-options.ts'
import {
  EndpointHealth,
  type EndpointHealthParts,
  type HealthChange,
} from '../../src/health/endpoint-health.ts'

/** The health of so many endpoints, with what was reported of it; nothing is drawn on top of an ejection. */
export function healthOf(
  count: number,
  options: Partial<OutlierOptions> = {},
  hooks: Pick<EndpointHealthParts, 'onEjected' | 'onReadmitted'> = {},
): EndpointHealth & { readonly changes: readonly HealthChange[] } {
  const changes: HealthChange[] = []
  const health = new EndpointHealth(
    {
      outlier: { ...DEFAULT_OUTLIER_OPTIONS, ejectionJitter: 0, ...options },
      checks: DEFAULT_HEALTH_OPTIONS,
      random: () => 0.5,
      onChange: change => changes.push(change),
      ...hooks,
    },
    0,
  )
  for (let index = 0; index < count; index += 1) health.add(index)
  return Object.assign(health, { changes })
}
