import { z } from 'zod'
import { isRetryableStatus } from '../../../entry/options.ts'
import type { FieldEdits } from '../../routes/field-edits.ts'
import { isWritable } from '../../routes/field-names.ts'
import { parseTemplate } from '../../routes/template.ts'
import { KNOWN_PROTOCOLS } from '../built-features.ts'
import { asWord, byteSizeField, durationField } from './option-group.ts'

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/

/** What copies may hold: so many times so much. */
const MAX_MIRRORED = 1_024
const MAX_MIRRORED_BYTES = 1_048_576

/** What a fixed answer may hold. */
const MAX_BODY_LENGTH = 65_536

const writtenNameField = z
  .string()
  .regex(FIELD_NAME, 'must be the name of a field')
  .refine(name => isWritable(name.toLowerCase()), 'is written by the protocol itself; no route can')

const writtenField = z
  .record(writtenNameField, z.string())
  .transform(fields => Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value] as const))

/** `requestFields` and `responseFields`. */
export const fieldEditsField = z
  .strictObject({
    set: writtenField.optional(),
    add: writtenField.optional(),
    remove: z.array(writtenNameField.transform(name => name.toLowerCase())).optional(),
  })
  .transform(({ set = [], add = [], remove = [] }): FieldEdits => ({ set, add, remove }))

export const rewriteField = z.strictObject({
  host: z.string().min(1).optional(),
  path: z
    .string()
    .regex(/^[/$][^\s\\#]*$/, 'must begin with / or a variable, and have no space, backslash or #')
    .optional(),
})

const REDIRECTS = [301, 302, 303, 307, 308] as const

export const redirectField = z.strictObject({
  status: z
    .custom<(typeof REDIRECTS)[number]>(
      value => REDIRECTS.some(status => status === value),
      `must be one of ${REDIRECTS.join(', ')}`,
    )
    .optional(),
  location: z.string().regex(/^[^\s\\]+$/, 'must be a URL or a path, without space or backslash'),
  keepQuery: z.boolean().optional(),
})

export const respondField = z
  .strictObject({
    status: z
      .number()
      .int()
      .refine(
        status => status >= 200 && status <= 599 && status !== 304,
        'must be a status from 200 to 599, and not 304',
      )
      .optional(),
    headers: writtenField.optional(),
    body: z.string().max(MAX_BODY_LENGTH).optional(),
  })
  .superRefine(({ status, body = '' }, context) => {
    if (body === '' || (status !== 204 && status !== 205)) return
    context.addIssue({ code: 'custom', path: ['body'], message: `an answer of ${status} has no body` })
  })

const statusField = z.number().refine(isRetryableStatus, 'must be 429, or from 500 to 599')

/** What of a route holds for its requests towards the origin. */
export const routeLimitFields = {
  timeouts: z
    .strictObject({
      headers: durationField.optional(),
      body: durationField.optional(),
      request: durationField.optional(),
    })
    .optional(),
  retry: z
    .strictObject({
      maxRetries: z.number().int().min(0).optional(),
      maxUnanswered: z.number().int().min(0).optional(),
      statuses: z.array(statusField).optional(),
      perTryTimeout: durationField.optional(),
    })
    .transform(({ maxRetries, maxUnanswered, statuses, perTryTimeout }) => ({
      maxRetries,
      maxUnanswered,
      statuses,
      perTryTimeoutMs: perTryTimeout,
    }))
    .optional(),
  protocols: z.array(z.enum(KNOWN_PROTOCOLS)).min(1).optional(),
  egress: z.string().optional(),
  earlyData: z.preprocess(asWord, z.enum(['off', 'safe'])).optional(),
  maxBodyBytes: byteSizeField({ min: 0 }).optional(),
  mirror: z
    .strictObject({
      origin: z.string(),
      share: z.number().min(0).max(1).optional(),
      maxBodyBytes: byteSizeField({ max: MAX_MIRRORED_BYTES }).optional(),
      maxUnderWay: z.number().int().min(1).max(MAX_MIRRORED).optional(),
    })
    .optional(),
}

/** What of a route may do something. */
interface ActionFields {
  readonly origin?: string | undefined
  readonly timeouts?: unknown
  readonly retry?: unknown
  readonly protocols?: unknown
  readonly egress?: unknown
  readonly earlyData?: unknown
  readonly maxBodyBytes?: unknown
  readonly mirror?: unknown
  readonly rewrite?: z.output<typeof rewriteField> | undefined
  readonly requestFields?: FieldEdits | undefined
  readonly responseFields?: FieldEdits | undefined
  readonly redirect?: z.output<typeof redirectField> | undefined
  readonly respond?: z.output<typeof respondField> | undefined
  readonly forward?: unknown
}

interface ActionFault {
  readonly path: string[]
  readonly message: string
}

/** What of a route needs an origin, whoever names it. */
const OF_ORIGIN = ['requestFields', 'timeouts', 'retry', 'protocols', 'earlyData', 'maxBodyBytes'] as const
/** What needs one that the route names: where a request goes that names its own is not to change. */
const OF_OWN_ORIGIN = ['rewrite', 'mirror', 'egress'] as const

/**
 * A route has one end: an origin, a redirect, an answer, or what requests name. And its templates name what
 * there is. `captures`: of its pattern.
 */
export function actionFaults(route: ActionFields, captures: readonly string[]): ActionFault[] {
  const ends = (['origin', 'redirect', 'respond', 'forward'] as const).filter(
    name => route[name] !== undefined,
  )
  const faults: ActionFault[] = []
  const [, second] = ends
  if (ends.length === 0)
    faults.push({ path: ['origin'], message: 'missing: a route needs origin, redirect, respond or forward' })
  if (second !== undefined)
    faults.push({ path: [second], message: `a route has one of ${ends.join(' and ')}` })
  const needing = route.forward === undefined ? [...OF_ORIGIN, ...OF_OWN_ORIGIN] : OF_OWN_ORIGIN
  if (route.origin === undefined)
    for (const name of needing)
      if (route[name] !== undefined) faults.push({ path: [name], message: 'needs an origin' })
  const check = (text: string | undefined, ...path: string[]): void => {
    const template = text === undefined ? undefined : parseTemplate(text, captures)
    if (typeof template === 'string') faults.push({ path, message: template })
  }
  check(route.rewrite?.host, 'rewrite', 'host')
  check(route.rewrite?.path, 'rewrite', 'path')
  check(route.redirect?.location, 'redirect', 'location')
  for (const [name, value] of route.respond?.headers ?? []) check(value, 'respond', 'headers', name)
  for (const group of ['requestFields', 'responseFields'] as const)
    for (const kind of ['set', 'add'] as const)
      for (const [name, value] of route[group]?.[kind] ?? []) check(value, group, kind, name)
  return faults
}
