import { TransportError } from '../base/errors.ts'
import type { RequestBody } from '../base/http/exchange.ts'
import { type HeaderList, hasHeader, headerValue } from '../base/http/headers.ts'
import { type BodyInput, prepareBody } from './request-body.ts'

/**
 * Headers as callers give them: an object, a flat list of name, value, …, or pairs (a Headers, a Map).
 *
 * @example
 * ```ts
 * const headers: HeaderInput = { accept: 'application/json', 'x-tag': ['a', 'b'] }
 * await transport.request('https://origin.example/', { headers })
 * ```
 */
export type HeaderInput =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | readonly string[]
  | Iterable<readonly [string, string | readonly string[]]>
  | null
  | undefined

export interface PreparedHeaders {
  /** End-to-end fields, lower-case names. */
  readonly headers: string[]
  /** From a `host` field. */
  readonly authority: string | undefined
}

/**
 * Connection-specific fields are the protocol's business (RFC 9110 7.6.1): callers' copies are dropped, Host
 * is taken out.
 */
const CONNECTION_FIELDS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'http2-settings',
])

/**
 * Names are lower-cased; whether names and values are valid is checked where they are written. Throws
 * MM_INVALID_ARGUMENT.
 */
export function prepareHeaders(input: HeaderInput): PreparedHeaders {
  const headers: string[] = []
  let authority: string | undefined
  const add = (rawName: string, value: unknown): void => {
    const name = rawName.toLowerCase()
    if (value === undefined || CONNECTION_FIELDS.has(name)) return
    if (Array.isArray(value)) {
      for (const one of value) add(name, one)
      return
    }
    const text = fieldValue(name, value)
    if (name !== 'host') headers.push(name, text)
    else if (authority === undefined) authority = text
    else throw new TransportError('MM_INVALID_ARGUMENT', 'host stands twice among the headers')
  }
  if (input === undefined || input === null) {
    // nothing given
  } else if (Array.isArray(input)) {
    const list: readonly unknown[] = input
    if (list.length % 2 !== 0)
      throw new TransportError('MM_INVALID_ARGUMENT', 'a flat header list must alternate names and values')
    for (let i = 0; i < list.length; i += 2) add(String(list[i]), list[i + 1])
  } else if (isPairs(input)) {
    // Any class called Headers: Node's global one and the undici package's are not the same.
    for (const [name, value] of input) add(name, value)
  } else {
    for (const [name, value] of Object.entries(input)) add(name, value)
  }
  return { headers, authority }
}

function isPairs(input: object): input is Iterable<readonly unknown[]> {
  return Symbol.iterator in input
}

/** Numbers and the like become text; `[object Object]` would help nobody. */
function fieldValue(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value === null) return ''
  throw new TransportError('MM_INVALID_ARGUMENT', `the value of the header ${name} is no text`)
}

/** Headers and body of one request, ready for dispatch(). */
export interface PreparedMessage {
  readonly headers: HeaderList
  readonly body: RequestBody
  readonly authority: string | undefined
}

/**
 * Reads a caller's headers and body together, since each says something about the other. Throws
 * MM_INVALID_ARGUMENT.
 */
export function prepareMessage(headerInput: HeaderInput, bodyInput: BodyInput): PreparedMessage {
  const { headers, authority } = prepareHeaders(headerInput)
  const declared = headerValue(headers, 'content-length')
  const declaredLength = declared !== undefined && /^\d{1,15}$/.test(declared) ? Number(declared) : undefined
  const { body, contentType } = prepareBody(bodyInput, declaredLength)
  if (contentType !== undefined && !hasHeader(headers, 'content-type'))
    headers.push('content-type', contentType)
  return { headers, body, authority }
}
