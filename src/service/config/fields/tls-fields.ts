import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { z } from 'zod'
import type { TlsOptions } from '../../../entry/options.ts'
import { CLIENT_CERTIFICATES, type ClientCertificates } from '../../../ingress/listener.ts'
import type { CertificatePair } from '../../../ingress/tls/server-certificates.ts'
import { UNKNOWN_NAMES, type UnknownNames } from '../../../ingress/tls/tls-clients.ts'

/** PEM, and the file that it was read from. */
interface Pem {
  readonly text: string
  readonly file: string | undefined
}

/**
 * A file with PEM blocks, named relative to the configuration; its contents are the value. A value that holds
 * a PEM block itself is taken as it is, for configurations that are made by a program.
 */
function pemFileField(directory: string) {
  return z.string().transform((value, context): Pem => {
    if (value.includes(PEM_BLOCK)) return { text: value, file: undefined }
    const file = resolve(directory, value)
    const read = readPemFile(file)
    if ('text' in read) return { text: read.text, file }
    context.addIssue({ code: 'custom', message: read.because })
    return z.NEVER
  })
}

function pemField(directory: string): z.ZodType<string> {
  return pemFileField(directory).transform(({ text }) => text)
}

const PEM_BLOCK = '-----BEGIN '

function readPemFile(file: string): { readonly text: string } | { readonly because: string } {
  try {
    const text = readFileSync(file, 'utf8')
    return text.includes(PEM_BLOCK) ? { text } : { because: `${file} holds no PEM block` }
  } catch (error) {
    return { because: `cannot read ${file}: ${readFailure(error)}` }
  }
}

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

/** Why a file cannot be read, in the words of an operator. */
export function readFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return READ_FAILURES[code] ?? (error instanceof Error ? error.message : String(error))
}

/** One file or PEM text, or several. */
export function authoritiesField(directory: string): z.ZodType<string[]> {
  return z.preprocess(listed, z.array(pemField(directory)).min(1))
}

/** A certificate of a listener, and where it is looked for when it changes. */
export interface ListenCertificate extends CertificatePair {
  /** Undefined: nowhere, since the configuration has the PEM itself. */
  readonly files: { readonly cert: string; readonly key: string } | undefined
}

/** The `tls` group of a listener. */
export interface ListenTls {
  /** At least one. */
  certificates: readonly ListenCertificate[]
  unknownNames?: UnknownNames | undefined
  /** Authorities of client certificates, PEM. */
  clientCa?: string | undefined
  clientCertificates?: ClientCertificates | undefined
}

/** The `tls` group of a listener: one certificate in `cert` and `key`, or several in `certificates`. */
export function listenTlsField(directory: string): z.ZodType<ListenTls> {
  const pem = pemFileField(directory)
  return z
    .strictObject({
      cert: pem.optional(),
      key: pem.optional(),
      certificates: z
        .array(
          z.strictObject({ cert: pem, key: pem }).superRefine(({ cert, key }, context) => {
            checkUsable({ cert: cert.text, key: key.text }, context)
          }),
        )
        .min(1)
        .max(MAX_CERTIFICATES)
        .optional(),
      unknownNames: z.enum(UNKNOWN_NAMES).optional(),
      clientCa: authoritiesField(directory)
        .transform(certificates => certificates.join('\n'))
        .optional(),
      clientCertificates: z.enum(CLIENT_CERTIFICATES).optional(),
    })
    .superRefine(({ cert, key, certificates, clientCa, clientCertificates }, context) => {
      if (certificates === undefined) {
        for (const [name, value] of Object.entries({ cert, key }))
          if (value === undefined)
            context.addIssue({ code: 'invalid_type', expected: 'string', input: undefined, path: [name] })
      } else if (cert !== undefined || key !== undefined)
        context.addIssue({ code: 'custom', path: ['certificates'], message: 'goes without cert and key' })
      const own = { ...(cert && { cert: cert.text }), ...(key && { key: key.text }) }
      checkUsable({ ...own, ...(clientCa !== undefined && { ca: [clientCa] }) }, context)
      if (clientCertificates !== undefined && clientCa === undefined)
        context.addIssue({ code: 'custom', path: ['clientCertificates'], message: 'needs clientCa' })
    })
    .transform(({ cert, key, certificates, ...rest }) => {
      const given = certificates ?? (cert !== undefined && key !== undefined ? [{ cert, key }] : [])
      return { certificates: given.map(listenCertificate), ...rest }
    })
}

/** Each is checked again and again, and held by every worker. */
const MAX_CERTIFICATES = 1_000

function listenCertificate({ cert, key }: { cert: Pem; key: Pem }): ListenCertificate {
  const files =
    cert.file === undefined || key.file === undefined ? undefined : { cert: cert.file, key: key.file }
  return { cert: cert.text, key: key.text, files }
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
      certificateHashes: z.array(z.string()).min(1).optional(),
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
