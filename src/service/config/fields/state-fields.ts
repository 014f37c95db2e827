import { z } from 'zod'
import { pathField } from './access-log-fields.ts'
import { durationField } from './option-group.ts'
import { authoritiesField, clientCertificateField } from './tls-fields.ts'

/** Of this several renewals have room, each with a connection that has to be made first. */
const MIN_LEASE_MS = 3_000
const MAX_LEASE_MS = 3_600_000
const MIN_TIMEOUT_MS = 10
const MAX_TIMEOUT_MS = 60_000

/** The `state` group. */
export function stateGroup(directory: string) {
  return z
    .strictObject({
      directory: pathField(directory).optional(),
      keyFile: pathField(directory).optional(),
      redis: redisGroup(directory).optional(),
    })
    .superRefine(({ directory: kept, keyFile, redis }, context) => {
      const refuse = (path: string[], message: string): void =>
        context.addIssue({ code: 'custom', path, message })
      if (keyFile !== undefined && kept === undefined) refuse(['keyFile'], 'needs directory')
      if (kept === undefined && redis === undefined) refuse([], 'needs directory or redis')
    })
}

function redisGroup(directory: string) {
  const pem = clientCertificateField(directory)
  return z
    .strictObject({
      url: redisUrlField,
      prefix: z.string().min(1).max(128).optional(),
      ca: authoritiesField(directory).optional(),
      cert: pem.optional(),
      key: pem.optional(),
      connectTimeout: between(MIN_TIMEOUT_MS, MAX_TIMEOUT_MS).optional(),
      answerTimeout: between(MIN_TIMEOUT_MS, MAX_TIMEOUT_MS).optional(),
      lease: between(MIN_LEASE_MS, MAX_LEASE_MS).optional(),
    })
    .superRefine(({ url, ca, cert, key }, context) => {
      const refuse = (path: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [path], message })
      if ((cert === undefined) !== (key === undefined))
        refuse(cert === undefined ? 'key' : 'cert', 'a client certificate needs cert and key')
      if (url.startsWith('rediss:')) return
      for (const [name, value] of Object.entries({ ca, cert }))
        if (value !== undefined) refuse(name, 'is of TLS: write rediss:// in the url')
    })
}

/** No fault repeats it: it may hold a password. */
const redisUrlField = z.string().superRefine((text, context) => {
  const because = urlFault(text)
  if (because !== undefined) context.addIssue({ code: 'custom', message: because })
})

function urlFault(text: string): string | undefined {
  let url: URL
  try {
    url = new URL(text)
    for (const part of [url.username, url.password]) decodeURIComponent(part)
  } catch {
    return 'must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS'
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') return 'must begin with redis:// or rediss://'
  if (url.hostname === '') return 'names no host'
  if (!/^(?:|\/|\/\d{1,5})$/.test(url.pathname)) return 'names a database that is no number'
  if (url.search !== '' || url.hash !== '') return 'must end with the host, port or database'
  return undefined
}

function between(min: number, max: number) {
  return durationField.superRefine((value, context) => {
    if (value < min) context.addIssue({ code: 'custom', message: `must be at least ${min}ms` })
    if (value > max) context.addIssue({ code: 'custom', message: `must be at most ${max}ms` })
  })
}
