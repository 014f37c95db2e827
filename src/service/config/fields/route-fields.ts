import { z } from 'zod'
import { isPassedOn } from '../../routes/field-names.ts'
import { type PathPattern, parsePathPattern, prefixPattern } from '../../routes/path-pattern.ts'
import { normalizePath } from '../../routes/request-path.ts'
import type { RouteConditions, ValueRule } from '../../routes/route-conditions.ts'
import { forwardField } from './forward-fields.ts'
import { hostPatternField } from './origin-fields.ts'
import {
  actionFaults,
  fieldEditsField,
  redirectField,
  respondField,
  rewriteField,
  routeLimitFields,
} from './route-action-fields.ts'

/** What a route asks of a request, and where it leads. */
export function routeField(directory: string) {
  return z
    .strictObject({
      name: routeNameField.optional(),
      host: hostsField.optional(),
      path: prefixField.optional(),
      pathPattern: patternField.optional(),
      methods: z.array(methodField).min(1).optional(),
      headers: headerRulesField.optional(),
      query: z.record(z.string().min(1), ruleField).optional(),
      origin: z.string().optional(),
      rewrite: rewriteField.optional(),
      requestFields: fieldEditsField.optional(),
      responseFields: fieldEditsField.optional(),
      redirect: redirectField.optional(),
      respond: respondField.optional(),
      forward: forwardField(directory).optional(),
      ...routeLimitFields,
    })
    .superRefine((route, context) => {
      const { path, pathPattern } = route
      for (const { path: at, message } of actionFaults(route, pathPattern?.names ?? []))
        context.addIssue({ code: 'custom', path: at, message })
      if (path === undefined || pathPattern === undefined) return
      const message = 'a route has path or pathPattern, and not both'
      context.addIssue({ code: 'custom', path: ['pathPattern'], message })
    })
}

export type ParsedRoute = z.output<ReturnType<typeof routeField>>

/** What of it is asked of requests. */
export function conditionsOf({ methods, headers, query }: ParsedRoute): RouteConditions {
  return { methods, headers: headers ?? [], query: Object.entries(query ?? {}) }
}

const ROUTE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const routeNameField = z
  .string()
  .regex(ROUTE_NAME, 'must be a name of letters, digits, dot, dash, underscore')

/** One host, or several. */
const hostsField = z.unknown().transform((value, context): string[] => {
  const field = Array.isArray(value) ? z.array(hostPatternField).min(1) : hostPatternField
  const parsed = field.safeParse(value)
  if (parsed.success) return [parsed.data].flat()
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: 'custom', path, message })
  return z.NEVER
})

const MAX_RULE_LENGTH = 1_024
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
/** What a field may hold (RFC 9110 5.5), without the space around it. */
const FIELD_VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/

const methodField = z
  .string()
  .regex(METHOD, 'must be a method such as GET, in capitals as it is sent')
  .refine(method => method !== 'CONNECT', 'CONNECT has no path to route by: see forward')

/** A path as routes see it: normal, since requests are made normal before they are matched. */
function pathField(parse: (path: string) => PathPattern | string) {
  return z.string().transform((value, context) => {
    const refuse = (message: string): never => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    // What it is refused for is said by the pattern.
    const asWritten = parse(value)
    if (typeof asWritten === 'string') return refuse(asWritten)
    const normal = normalizePath(value)
    if (typeof normal === 'string') return refuse(`no request has such a path: ${normal}`)
    const { path } = normal
    const parsed = parse(path)
    if (typeof parsed === 'string') return refuse(parsed)
    if (/\/\.{1,2}(?:\/|$)/.test(value)) return refuse(`no request has such a path: write ${path}`)
    return parsed
  })
}

const prefixField = pathField(prefixPattern)
const patternField = pathField(parsePathPattern)

const valueField = z.string().max(MAX_RULE_LENGTH)

/** A text is the value itself. */
const ruleField = z
  .union(
    [
      valueField,
      z.strictObject({ exact: valueField }),
      z.strictObject({ prefix: valueField.min(1) }),
      z.strictObject({ present: z.boolean() }),
    ],
    'must be a text, or one of { exact: text }, { prefix: text }, { present: true } and { present: false }',
  )
  .transform((rule): ValueRule => {
    if (typeof rule === 'string') return { kind: 'exact', value: rule }
    if ('exact' in rule) return { kind: 'exact', value: rule.exact }
    if ('prefix' in rule) return { kind: 'prefix', value: rule.prefix }
    return { kind: rule.present ? 'present' : 'absent' }
  })

const headerRulesField = z
  .record(z.string().regex(FIELD_NAME, 'must be the name of a field'), ruleField)
  .transform((rules, context) => {
    const byName = new Map<string, ValueRule>()
    for (const [written, rule] of Object.entries(rules)) {
      const name = written.toLowerCase()
      const refuse = (message: string): void => context.addIssue({ code: 'custom', path: [written], message })
      if (byName.has(name)) refuse('is there twice')
      if (!isPassedOn(name)) refuse('never matches: the field belongs to one connection; see host for Host')
      if ('value' in rule && !FIELD_VALUE.test(rule.value)) refuse('never matches: no field has such a value')
      byName.set(name, rule)
    }
    return [...byName]
  })
