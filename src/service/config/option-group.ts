import { z } from 'zod'
import { BYTE_SIZE_FORM, parseByteSize } from './byte-size.ts'
import { shown } from './describe-issue.ts'
import { DURATION_FORM, parseDuration } from './duration.ts'

/** `idleTimeoutMs` is `idleTimeout` in a configuration, where a duration says its own unit. */
type ConfigName<Name extends string> = Name extends `${infer Base}Ms` ? Base : Name

/** A group of options as a configuration spells it. */
export type OptionGroupInput<Options> = {
  [Name in keyof Options & string as ConfigName<Name>]?: Name extends `${string}Ms` | `${string}Bytes`
    ? number | string
    : Options[Name]
}

export interface NumberRange {
  min?: number
  max?: number
}

/**
 * The schema of one group of options, made from its defaults, so that an option added to the module is an option of the
 * configuration at once. The name tells the kind: `…Ms` is a duration (spelled without `Ms`), `…Bytes` a size, the rest are
 * numbers: whole ones unless the default is a fraction.
 */
export function optionGroup<Options extends object>(
  defaults: Readonly<Options>,
  ranges?: { readonly [Name in keyof Options & string]?: NumberRange },
): z.ZodType<Partial<Options>> {
  const shape: Record<string, z.ZodType> = {}
  const optionNames = new Map<string, string>()
  for (const [name, value] of Object.entries(defaults)) {
    const configName = name.endsWith('Ms') ? name.slice(0, -2) : name
    optionNames.set(configName, name)
    const range = ranges?.[name as keyof Options & string] // Object.entries knows no key types
    shape[configName] = fieldSchema(name, value, range ?? {}).optional()
  }
  const renamed = z.strictObject(shape).transform(group => {
    const options: Record<string, unknown> = {}
    for (const [configName, value] of Object.entries(group)) {
      if (value !== undefined) options[optionNames.get(configName) ?? configName] = value
    }
    return options
  })
  return renamed as unknown as z.ZodType<Partial<Options>> // the shape was built from `defaults`, which the type system cannot follow
}

function fieldSchema(name: string, defaultValue: unknown, range: NumberRange): z.ZodType {
  if (name.endsWith('Ms')) return durationField
  if (name.endsWith('Bytes')) return byteSizeField
  if (typeof defaultValue === 'boolean') return z.boolean()
  let field = z.number().min(range.min ?? 0)
  if (range.max !== undefined) field = field.max(range.max)
  return Number.isInteger(defaultValue) ? field.int() : field
}

/** A duration, as milliseconds. */
export const durationField = z.unknown().transform((value, context) => {
  const parsed = parseDuration(value)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: `must be ${DURATION_FORM}, not ${shown(value)}` })
  return z.NEVER
})

const byteSizeField = z.unknown().transform((value, context) => {
  const parsed = parseByteSize(value)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: `must be ${BYTE_SIZE_FORM}, not ${shown(value)}` })
  return z.NEVER
})
