import { buildSettings } from './build-settings.ts'
import type { UnplacedFault } from './config-fault.ts'
import { configSchema } from './config-schema.ts'
import { crossFaults } from './cross-faults.ts'
import { describeIssue } from './describe-issue.ts'
import { knownKeys } from './known-keys.ts'
import type { ServiceSettings } from './service-settings.ts'

export type ParsedConfig =
  | { readonly ok: true; readonly settings: ServiceSettings }
  | { readonly ok: false; readonly faults: readonly UnplacedFault[] }

/** Validates a configuration as a value; every fault is reported, not only the first. */
export function parseConfig(value: unknown, directory: string): ParsedConfig {
  const schema = configSchema(directory)
  const result = schema.safeParse(value, { reportInput: true })
  const faults = result.success
    ? []
    : result.error.issues.flatMap(issue => describeIssue(issue, path => knownKeys(schema, path)))
  faults.push(...crossFaults(value))
  if (result.success && faults.length === 0) return { ok: true, settings: buildSettings(result.data) }
  return { ok: false, faults }
}
