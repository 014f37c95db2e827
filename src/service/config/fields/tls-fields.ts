import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { z } from 'zod'
import type { TlsOptions } from '../../../entry/options.ts'
import { CLIENT_CERTIFICATES, type ClientCertificates } from '../../../ingress/listener.ts'

/**
 * A file with PEM blocks, named relative to the configuration; its contents are the value. A value that holds
 * a PEM block itself is taken as it is, for configurations that are made by a program.
 */
function pemField(directory: string) {
  return z.string().transform((value, context) => {
    if (value.includes('-----BEGIN ')) return value
    const file = resolve(directory, value)
    let contents: string
    try {
      contents = readFileSync(file, 'utf8')
    } catch (error) {
      context.addIssue({ code: 'custom', message: `cannot read ${file}: ${readFailure(error)}` })
      return z.NEVER
    }
    if (contents.includes('-----BEGIN ')) return contents
    context.addIssue({ code: 'custom', message: `${file} holds no PEM block` })
    return z.NEVER
  })
}

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

function readFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return READ_FAILURES[code] ?? (error instanceof Error ? error.message : String(error))
}

/** One file or PEM text, or several. */
export function authoritiesField(directory: string): z.ZodType<string[]> {
  return z.preprocess(listed, z.array(pemField(directory)).min(1))
}

/** Certificate and key of a listener, PEM. */
export interface ListenTls {
  cert: string
  key: string
  /** Authorities of client certificates, PEM. */
  clientCa?: string | undefined
  clientCertificates?: ClientCertificates | undefined
}

/** The `tls` group of a listener. */
export function listenTlsField(directory: string): z.ZodType<ListenTls> {
  return z
    .strictObject({
      cert: pemField(directory),
      key: pemField(directory),
      clientCa: authoritiesField(directory)
        .transform(certificates => certificates.join('\n'))
        .optional(),
      clientCertificates: z.enum(CLIENT_CERTIFICATES).optional(),
    })
    .superRefine(({ cert, key, clientCa, clientCertificates }, context) => {
      checkUsable({ cert, key, ...(clientCa !== undefined && { ca: [clientCa] }) }, context)
      if (clientCertificates !== undefined && clientCa === undefined)
        context.addIssue({ code: 'custom', path: ['clientCertificates'], message: 'needs clientCa' })
    })
}

/** A certificate of ours, or its key. */
export function clientCertificateField(directory: string): z.ZodType<string> {
  return pemField(directory)
}

/** The `tls` group of the admin server. */
export function adminTlsField(directory: string) {
  return z
    .strictObject({
      cert: pemField(directory),
      key: pemField(directory),
      clientCa: authoritiesField(directory)
        .transform(certificates => certificates.join('\n'))
        .optional(),
      changeNames: z.array(z.string().min(1)).min(1).optional(),
    })
    .superRefine(({ cert, key }, context) => checkUsable({ cert, key }, context))
}

const MIN_TOKEN_LENGTH = 16

/** A file with a token. No fault repeats what it holds. */
export function tokenField(directory: string) {
  return z.string().transform((value, context) => {
    const file = resolve(directory, value)
    const fail = (message: string): never => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    let token: string
    try {
      token = readFileSync(file, 'utf8').trim()
    } catch (error) {
      return fail(`cannot read ${file}: ${readFailure(error)}`)
    }
    if (/^[\x21-\x7e]+$/.test(token) && token.length >= MIN_TOKEN_LENGTH) return token
    return fail(`${file} must hold one token of ${MIN_TOKEN_LENGTH} characters or more, without spaces`)
  })
}

/** The `tls` group of an origin. */
export function originTlsField(directory: string): z.ZodType<TlsOptions> {
  const pem = pemField(directory)
  const version = z.enum(['TLSv1.2', 'TLSv1.3']).optional()
  const group = z
    .strictObject({
      ca: authoritiesField(directory).optional(),
      cert: pem.optional(),
      key: pem.optional(),
      passphrase: z.string().optional(),
      serverName: z.string().min(1).optional(),
      rejectUnauthorized: z.boolean().optional(),
      minVersion: version,
      maxVersion: version,
      ciphers: z.string().min(1).optional(),
      groups: z.string().min(1).optional(),
      resumption: z.boolean().optional(),
    })
    .superRefine((tls, context) => {
      if ((tls.cert === undefined) !== (tls.key === undefined)) {
        const missing = tls.cert === undefined ? 'cert' : 'key'
        context.addIssue({
          code: 'custom',
          message: `missing ${missing}: a client certificate needs cert and key`,
        })
        return
      }
      checkUsable(tls, context)
    })
  return group
}

/**
 * OpenSSL's own opinion, so that a key that does not fit its certificate is found before the service starts.
 */
function checkUsable(
  tls: { [Name in 'cert' | 'key' | 'passphrase' | 'ciphers' | 'groups']?: string | undefined } & {
    ca?: string[] | undefined
    minVersion?: TlsOptions['minVersion'] | undefined
    maxVersion?: TlsOptions['maxVersion'] | undefined
  },
  context: z.core.$RefinementCtx,
): void {
  try {
    const { ca, cert, key, passphrase, ciphers, groups: ecdhCurve, minVersion, maxVersion } = tls
    const given: SecureContextOptions = {
      ca,
      cert,
      key,
      passphrase,
      ciphers,
      ecdhCurve,
      minVersion,
      maxVersion,
    }
    createSecureContext(given)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    context.addIssue({ code: 'custom', message: `TLS cannot use this: ${reason}` })
  }
}

function listed(value: unknown): unknown {
  return typeof value === 'string' ? [value] : value
}
