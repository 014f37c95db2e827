import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { parseNetwork } from '../../../dns/networks.ts'
import { UdpTemplate } from '../../../masque/udp-template.ts'
import { type AllowEntry, parseAllowEntry } from '../../forward-proxy/allow-list.ts'
import { type ProxyUser, parseProxyUser } from '../../forward-proxy/proxy-users.ts'
import { shown } from '../describe-issue.ts'
import { durationField } from './option-group.ts'
import { originOptionFields } from './origin-fields.ts'
import { readFailure } from './tls-fields.ts'

/** `forward` of a route. */
export function forwardField(directory: string) {
  return z
    .strictObject({
      allow: z.array(allowField).min(1),
      allowPrivate: z.array(networkField).optional(),
      auth: authField(directory).optional(),
      maxOrigins: z.number().int().min(1).optional(),
      maxConnections: z.number().int().min(1).optional(),
      maxTunnels: z.number().int().min(0).optional(),
      tunnelIdleTimeout: durationField.optional(),
      udpTemplate: udpTemplateField.optional(),
      udpIdleTimeout: durationField.optional(),
      udpQueueBytes: z.number().int().min(2_048).optional(),
      origins: namedOriginField(directory).optional(),
    })
    .superRefine(({ allow, auth }, context) => {
      const index = allow.findIndex(({ host }) => host === '*')
      if (index === -1 || auth !== undefined) return
      const message = '* needs auth: a proxy that takes everybody to everywhere is open to abuse'
      context.addIssue({ code: 'custom', path: ['allow', index], message })
    })
}

const allowField = z.string().transform((value, context): AllowEntry => {
  const entry = parseAllowEntry(value)
  if (typeof entry !== 'string') return entry
  context.addIssue({ code: 'custom', message: `${entry}, not ${shown(value)}` })
  return z.NEVER
})

/** How CONNECT-UDP names its target (RFC 9298 2). */
export const udpTemplateField = z.string().superRefine((value, context) => {
  const template = UdpTemplate.parse(value)
  if (typeof template === 'string') context.addIssue({ code: 'custom', message: template })
})

const networkField = z
  .string()
  .refine(text => parseNetwork(text) !== undefined, 'must be an IP address, or a network such as 10.0.0.0/8')

/** What an origin may have that nobody has configured: nothing that is about its endpoints, or its names. */
function namedOriginField(directory: string) {
  return z.strictObject(originOptionFields(directory)).omit({
    hostHeader: true,
    egress: true,
    balance: true,
    health: true,
    outlier: true,
    protection: true,
    certificateNames: true,
    preconnectHints: true,
    trusted: true,
  })
}

const USER_FORM = 'must be NAME:SHA-256 of the password in hexadecimal (printf %s PASSWORD | sha256sum)'

/** No fault repeats what stands there. */
const userField = z.string().transform((value, context): ProxyUser => {
  const user = parseProxyUser(value)
  if (user !== undefined) return user
  context.addIssue({ code: 'custom', message: USER_FORM })
  return z.NEVER
})

function authField(directory: string) {
  return z
    .strictObject({
      users: z.array(userField).min(1).optional(),
      file: usersFileField(directory).optional(),
      realm: z
        .string()
        .regex(/^[ !#-[\]-~]{1,64}$/, 'must be up to 64 printable characters without " and \\')
        .optional(),
    })
    .superRefine(({ users, file }, context) => {
      if (users !== undefined || file !== undefined) return
      context.addIssue({ code: 'custom', message: 'needs users, or a file of them' })
    })
    .transform(({ users = [], file = [], realm }) => ({ users: [...users, ...file], realm }))
}

/** One user a line; empty lines, and those that begin with #, do not count. */
function usersFileField(directory: string) {
  return z.string().transform((value, context): ProxyUser[] => {
    const file = resolve(directory, value)
    const fail = (message: string): never => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      return fail(`cannot read ${file}: ${readFailure(error)}`)
    }
    const users: ProxyUser[] = []
    for (const [index, line] of text.split('\n').entries()) {
      const trimmed = line.trim()
      if (trimmed === '' || trimmed.startsWith('#')) continue
      const user = parseProxyUser(trimmed)
      if (user === undefined) return fail(`${file}:${index + 1}: ${USER_FORM}`)
      users.push(user)
    }
    return users.length > 0 ? users : fail(`${file} has no user`)
  })
}
