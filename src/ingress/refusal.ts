import { ERROR_CODES, type TransportError } from '../errors.ts'
import { encodeResponseHead } from '../http1/response-encoder.ts'

/**
 * The whole answer to a request that goes no further than the codec, as latin1 text: the status of its error code, and a body that
 * names the code; `name` is ours in Proxy-Status (RFC 9209). The connection ends with it. The message shows bytes that the client sent, escaped; JSON keeps them harmless.
 */
export function encodeRefusal(error: TransportError, isHead: boolean, name: string): string {
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
    'proxy-status',
    `${name}; error=${proxyStatus}`,
    'date',
    new Date().toUTCString(),
  ]
  const framing = isHead ? 'none' : body.length
  const head = encodeResponseHead({ status, headers }, framing, { minorVersion: 1, keepAlive: false })
  return isHead ? head : head + body
}
