import { TransportError } from '../errors.ts'

/** Headers as callers give them. */
export type HeaderInput =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | readonly string[]
  | Headers
  | undefined

export interface PreparedHeaders {
  /** End-to-end fields, lower-case names. */
  readonly headers: string[]
  /** From a `host` field. */
  readonly authority: string | undefined
}

/** Connection-specific fields are the protocol's business (RFC 9110 7.6.1): callers' copies are dropped, Host is taken out. */
const CONNECTION_FIELDS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'http2-settings',
])

/** Names are lower-cased; whether names and values are valid is checked where they are written. Throws MM_INVALID_ARGUMENT. */
export function prepareHeaders(input: HeaderInput): PreparedHeaders {
  const headers: string[] = []
  let authority: string | undefined
  const add = (rawName: string, value: unknown): void => {
    const name = rawName.toLowerCase()
    if (CONNECTION_FIELDS.has(name)) return
    const text = typeof value === 'string' ? value : String(value)
    if (name === 'host') authority = text
    else headers.push(name, text)
  }
  if (input === undefined) {
    // nothing given
  } else if (Array.isArray(input)) {
    if (input.length % 2 !== 0)
      throw new TransportError('MM_INVALID_ARGUMENT', 'a flat header list must alternate names and values')
    for (let i = 0; i < input.length; i += 2) add(String(input[i]), input[i + 1])
  } else if (input instanceof Headers) {
    for (const [name, value] of input) add(name, value)
  } else {
    for (const [name, value] of Object.entries(input)) {
      if (value === undefined) continue
      if (Array.isArray(value)) for (const one of value) add(name, one)
      else add(name, value)
    }
  }
  return { headers, authority }
}
