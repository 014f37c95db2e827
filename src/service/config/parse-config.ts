import type { z } from 'zod'
import { buildSettings } from './build-settings.ts'
import { configDoubts } from './config-doubts.ts'
import { formatPath, type UnplacedFault } from './config-fault.ts'
import { configSchema } from './config-schema.ts'
import { crossFaults } from './cross-faults.ts'
import { describeIssue } from './describe-issue.ts'
import type { ServiceSettings } from './service-settings.ts'

/**
 * The keys that a mapping at `path` may have, as far as the schema names them: what a suggestion is drawn
 * from.
 */
export function knownKeys(schema: z.ZodType, path: readonly string[]): readonly string[] {
  const current = unwrap(schema)
  const definition = current.def as SchemaDefinition // zod types `def` by class
  const [step, ...rest] = path
  if (step === undefined) return definition.shape === undefined ? [] : Object.keys(definition.shape)
  const next = definition.shape?.[step] ?? definition.valueType ?? definition.element
  return next === undefined ? [] : knownKeys(next, rest)
}

interface SchemaDefinition {
  type: string
  shape?: Readonly<Record<string, z.ZodType>>
  valueType?: z.ZodType
  element?: z.ZodType
  innerType?: z.ZodType
  in?: z.ZodType
  out?: z.ZodType
}

/**
 * Off with what stands around a mapping: optional, preprocess (a pipe out of a transform), transform (a pipe
 * into one).
 */
function unwrap(schema: z.ZodType): z.ZodType {
  const definition = schema.def as SchemaDefinition // as above
  if (definition.innerType !== undefined) return unwrap(definition.innerType)
  if (definition.type !== 'pipe') return schema
  const from = definition.in === undefined ? schema : unwrap(definition.in)
  const isTransform = (from.def as SchemaDefinition).type === 'transform' // as above
  return isTransform && definition.out !== undefined ? unwrap(definition.out) : from
}

type ParsedConfig =
  | {
      readonly ok: true
      readonly settings: ServiceSettings
      /** What will not work as it is written: see configDoubts. */
      readonly doubts: readonly UnplacedFault[]
    }
  | { readonly ok: false; readonly faults: readonly UnplacedFault[] }

/** Validates a configuration as a value; every fault is reported, not only the first. */
export function parseConfig(value: unknown, directory: string): ParsedConfig {
  const schema = configSchema(directory)
  const result = schema.safeParse(value, { reportInput: true })
  const faults = result.success
    ? []
    : result.error.issues.flatMap(issue => describeIssue(issue, path => knownKeys(schema, path)))
  faults.push(...crossFaults(value))
  if (result.success && faults.length === 0) {
    const settings = buildSettings(result.data)
    const doubts = configDoubts(value, settings, Date.now())
    const warnings = doubts.map(({ path, message }) => `${formatPath(path)}: ${message}`)
    return { ok: true, settings: { ...settings, warnings: [...settings.warnings, ...warnings] }, doubts }
  }
  return { ok: false, faults }
}
