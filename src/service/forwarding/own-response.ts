import { type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import { ERROR_CODES, type TransportError } from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { OwnName } from './own-name.ts'

/** What the connector says when it answers in the origin's place. */
export interface OwnResponse {
  status: number
  headers: HeaderList
  body: Buffer
}

/** What limits us for the moment (RFC 9110 10.2.3). In seconds; there is no less. */
const RETRY_SOON = ['retry-after', '1'] as const

/**
 * The answer for an error: its status, Proxy-Status (RFC 9209) and a JSON body. `dateHeader` is an
 * IMF-fixdate.
 */
export function ownResponse(error: TransportError, name: OwnName, dateHeader: string): OwnResponse {
  const { status, proxyStatus } = ERROR_CODES[error.code]
  const body = Buffer.from(JSON.stringify({ error: { code: error.code, message: error.message } }))
  return {
    status,
    body,
    headers: [
      'content-type',
      'application/json',
      'content-length',
      String(body.length),
      'cache-control',
      'no-store',
      'date',
      dateHeader,
      ...(status === 503 ? RETRY_SOON : []),
      'proxy-status',
      `${name.proxyStatus}; error=${proxyStatus}; details=${structuredString(`${error.code}: ${error.message}`)}`,
    ],
  }
}

/** Sends it. A response to HEAD has the length of the body that it leaves out (RFC 9110 9.3.2). */
export function sendOwnResponse(exchange: IngressExchange, response: OwnResponse): void {
  exchange.respondStart(response.status, response.headers)
  if (exchange.method !== 'HEAD') exchange.respondData(response.body, keepOwned)
  exchange.respondEnd(NO_HEADERS)
}

/** The body is ours and is not changed any more. */
export function keepOwned(chunk: Buffer): Buffer {
  return chunk
}

/**
 * A string of RFC 8941 3.3.3: printable ASCII, quotes and backslashes escaped; anything else becomes a
 * question mark.
 */
function structuredString(text: string): string {
  const printable = text.slice(0, 300).replace(/[^\x20-\x7e]/g, '?')
  return `"${printable.replace(/["\\]/g, '\\$&')}"`
}
