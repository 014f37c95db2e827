import { z } from 'zod'
import {
  HTTP2_RANGES,
  HTTP3_RANGES,
  type Http2Options,
  type Http3Options,
  type OptionRanges,
  QUIC_CONGESTION_CONTROLS,
  QUIC_RANGES,
  type QuicOptions,
} from '../../../entry/options.ts'
import { shown } from '../describe-issue.ts'

/** What a duration may look like, for messages. */
const DURATION_FORM = 'a number of milliseconds or a duration such as 250ms, 30s, 1m30s, 1h'

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * Milliseconds of `250`, `250ms`, `1.5s`, `1m30s`. Undefined when it is none of these: a bare number in
 * quotes is refused too, since nothing says which unit its author had in mind.
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
  }
  return Number.isFinite(totalMs) ? Math.round(totalMs) : undefined
}

/** What a size may look like, for messages. */
const BYTE_SIZE_FORM = 'a number of bytes or a size such as 512B, 64KiB, 1MiB, 10MB'

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

/** Bytes of `65536`, `64KiB`, `1.5MB`; units in any case. Undefined when it is none of these. */
export function parseByteSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(value.trim())
  const unitBytes = UNIT_BYTES[match?.[2]?.toLowerCase() ?? '']
  if (unitBytes === undefined) return undefined
  const bytes = Math.round(Number(match?.[1]) * unitBytes)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `idleTimeoutMs` is `idleTimeout` in a configuration, where a duration says its own unit. */
type ConfigName<Name extends string> = Name extends `${infer Base}Ms` ? Base : Name

/** A group of options as a configuration spells it; a group may hold groups. */
export type OptionGroupInput<Options> = {
  [Name in keyof Options & string as ConfigName<Name>]?:
    | (Name extends `${string}Ms` | `${string}Bytes`
        ? number | string
        : Options[Name] extends readonly unknown[]
          ? Options[Name]
          : Options[Name] extends object
            ? OptionGroupInput<Options[Name]>
            : Options[Name])
    | undefined
}

/** What comes out of it: what was given, and no more. */
export type GivenOptions<Options> = {
  [Name in keyof Options]?: Options[Name] extends readonly unknown[]
    ? Options[Name]
    : Options[Name] extends object
      ? GivenOptions<Options[Name]>
      : Options[Name]
}

interface FieldRange {
  min?: number
  max?: number
  /** 0 is fine although it is below `min`. */
  orZero?: true
}

/** By option. */
type FieldRanges<Options> = { readonly [Name in keyof Options & string]?: FieldRange }

/**
 * The schema of one group of options, made from its defaults, so that an option added to the module is an
 * option of the configuration at once. The name tells the kind: `…Ms` is a duration (spelled without `Ms`),
 * `…Bytes` a size, the rest are numbers: whole ones unless the default is a fraction. A group within the
 * group has a schema of its own.
 */
export function optionGroup<Options extends object>(
  defaults: Readonly<Options>,
  ranges?: FieldRanges<Options>,
  groups?: { readonly [Name in keyof Options & string]?: z.ZodType },
): z.ZodType<GivenOptions<Options>> {
  const shape: Record<string, z.ZodType> = {}
  const optionNames = new Map<string, string>()
  for (const [name, value] of Object.entries(defaults)) {
    const configName = name.endsWith('Ms') ? name.slice(0, -2) : name
    optionNames.set(configName, name)
    const range = ranges?.[name as keyof Options & string] // Object.entries knows no key types
    const group = groups?.[name as keyof Options & string] // likewise
    shape[configName] = (group ?? fieldSchema(name, value, range ?? {})).optional()
  }
  const renamed = z.strictObject(shape).transform(group => {
    const options: Record<string, unknown> = {}
    for (const [configName, value] of Object.entries(group)) {
      if (value !== undefined) options[optionNames.get(configName) ?? configName] = value
    }
    return options
  })
  return renamed as unknown as z.ZodType<GivenOptions<Options>> // made from `defaults`
}

function fieldSchema(name: string, defaultValue: unknown, range: FieldRange): z.ZodType {
  if (name.endsWith('Ms')) return rangedDurationField(range)
  if (name.endsWith('Bytes')) return byteSizeField(range)
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

function rangedDurationField({ min = 0, max = Number.POSITIVE_INFINITY, orZero }: FieldRange) {
  return durationField.superRefine((value, context) => {
    if ((value >= min && value <= max) || (orZero && value === 0)) return
    const bound = value < min ? `${orZero ? '0 or ' : ''}at least ${min} ms` : `at most ${max} ms`
    context.addIssue({ code: 'custom', message: `must be ${bound}, not ${value} ms` })
  })
}

/** A size, as bytes. */
export function byteSizeField({ min = 0, max = Number.POSITIVE_INFINITY }: FieldRange) {
  return z.unknown().transform((value, context) => {
    const parsed = parseByteSize(value)
    const issue = (message: string): never => {
      context.addIssue({ code: 'custom', message: `${message}, not ${shown(value)}` })
      return z.NEVER
    }
    if (parsed === undefined) return issue(`must be ${BYTE_SIZE_FORM}`)
    if (parsed < min) return issue(`must be at least ${min} bytes`)
    return parsed > max ? issue(`must be at most ${max} bytes`) : parsed
  })
}

/** YAML reads bare `on` and `off` as booleans in its older dialect. */
export function asWord(value: unknown): unknown {
  if (value === true) return 'on'
  return value === false ? 'off' : value
}

interface RangedGroupRules<Options> {
  /** As the module has them: what is not in the table is at least 1. */
  readonly ranges: OptionRanges<Options>
  /** Options that must not be below others: [the larger one, the smaller one]. */
  readonly order: readonly (readonly [larger: keyof Options & string, smaller: keyof Options & string])[]
  /** No other group is laid over this one, so that it must agree with the defaults where it says nothing. */
  readonly areAll: boolean
  /** Of options that are no numbers. */
  readonly fields?: { readonly [Name in keyof Options & string]?: z.ZodType }
}

/**
 * A group, of whole numbers but for `fields`, whose ranges the module knows; here a fault gets its place in
 * the file.
 */
function rangedGroup<Options extends object>(
  defaults: Readonly<Options>,
  { ranges, order, areAll, fields }: RangedGroupRules<Options>,
): z.ZodType<GivenOptions<Options>> {
  const names = Object.keys(defaults) as (keyof Options & string)[] // its keys, which Object.keys widens
  const all = Object.fromEntries(names.map(name => [name, ranges[name] ?? { min: 1 }]))
  return optionGroup(defaults, all as OptionRanges<Options>, fields).superRefine((given, context) => {
    for (const [larger, smaller] of order) {
      const floor = Number(given[smaller] ?? (areAll ? defaults[smaller] : 0))
      const value = Number(given[larger] ?? (areAll ? defaults[larger] : Number.POSITIVE_INFINITY))
      if (value >= floor) continue
      context.addIssue({
        code: 'custom',
        path: [given[larger] === undefined ? smaller : larger],
        message: `${larger} (${value}) must not be below ${smaller} (${floor})`,
      })
    }
  })
}

/** The `http2` group of an origin or of the ingress. `areAll`: see RangedGroupRules. */
export function http2Group(
  defaults: Readonly<Http2Options>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<Http2Options>> {
  return rangedGroup(defaults, {
    ranges: HTTP2_RANGES,
    order: [['maxStreamWindowBytes', 'streamWindowBytes']],
    areAll,
  })
}

/** The `quic` group. `areAll`: see RangedGroupRules. */
export function quicGroup(
  defaults: Readonly<QuicOptions>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<QuicOptions>> {
  return rangedGroup(defaults, {
    ranges: QUIC_RANGES,
    order: [['maxStreamWindowBytes', 'streamWindowBytes']],
    areAll,
    fields: { congestionControl: z.enum(QUIC_CONGESTION_CONTROLS) },
  })
}

/** The `http3` group. */
export function http3Group(
  defaults: Readonly<Http3Options>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<Http3Options>> {
  return rangedGroup(defaults, { ranges: HTTP3_RANGES, order: [], areAll })
}
