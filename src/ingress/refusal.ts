import { ERROR_CODES } from '../base/error-codes.ts'
import { type TransportError } from '../base/errors.ts'
import type { HeaderList } from '../base/http/headers.ts'
import { encodeResponseHead } from '../http/http1/codec/head-encoder.ts'

/** The answer to a request that goes no further than its session. */
export interface Refusal {
  readonly status: number
  readonly headers: HeaderList
  /** ASCII. */
  readonly body: string
}

/** What limits us for the moment (RFC 9110 10.2.3). In seconds; there is no less. */
const RETRY_SOON = ['retry-after', '1'] as const

/**
 * The status of the error's code, and a body that names the code; `name` is ours in Proxy-Status (RFC 9209).
 * The message shows bytes that the client sent, escaped; JSON keeps them harmless.
 */
export function refusalOf(error: TransportError, name: string): Refusal {
  const { status, proxyStatus } = ERROR_CODES[error.code]
  const json = JSON.stringify({ error: { code: error.code, message: error.message } })
  // JSON text may hold any character: as \u escapes it is ASCII, and one character is one byte.
  const body = json.replace(/[^\x20-\x7e]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    String(body.length),
    'cache-control',
    'no-store',
    ...(status === 503 || status === 429 ? RETRY_SOON : []),
    'proxy-status',
    `${name}; error=${proxyStatus}`,
    'date',
    new Date().toUTCString(),
  ]
  return { status, headers, body }
}

/** The whole refusal as latin1 text of HTTP/1.1. The connection ends with it. */
export function encodeRefusal(error: TransportError, isHead: boolean, name: string): string {
  const { status, headers, body } = refusalOf(error, name)
  const framing = isHead ? 'none' : body.length
  const head = encodeResponseHead({ status, headers }, framing, { minorVersion: 1, keepAlive: false })
  return isHead ? head : head + body
}
