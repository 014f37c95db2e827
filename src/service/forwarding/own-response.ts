import { type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import { ERROR_CODES, type TransportError } from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'

/** How the connector names itself to others; made once per process. */
export class OwnName {
  /** In Proxy-Status: a token, or a string where the pseudonym is not one (RFC 9209 2, RFC 8941 3.3). */
  readonly proxyStatus: string
  /**
   * Ends each Via entry of ours. The comment tells instances apart: two connectors in a row are a chain, the
   * same one twice is a loop (RFC 9110 7.6.3 lets an intermediary add a comment).
   */
  readonly viaEntry: string

  /** `instanceId` must differ between processes. */
  constructor(pseudonym: string, instanceId: string) {
    this.proxyStatus = proxyStatusName(pseudonym)
    this.viaEntry = `${pseudonym} (${instanceId})`
  }
}

/** A token, or a string where the pseudonym is not one. */
export function proxyStatusName(pseudonym: string): string {
  return /^[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*$/.test(pseudonym) ? pseudonym : `"${pseudonym}"`
}

/** What the connector says when it answers in the origin's place. */
export interface OwnResponse {
  status: number
  headers: HeaderList
  body: Buffer
}

/** What limits us for the moment (RFC 9110 10.2.3). In seconds; there is no less. */
const RETRY_SOON = ['retry-after', '1'] as const

/**
 * How much of an error clients receive. `brief`: its code, and what RFC 9209 calls it. `detail`: also the
 * message, which may name addresses, ports and limits of the network behind the connector.
 */
export type ErrorDetail = 'brief' | 'detail'

/**
 * The answer for an error: its status, Proxy-Status (RFC 9209) and a JSON body. `dateHeader` is an
 * IMF-fixdate.
 */
export function ownResponse(
  error: TransportError,
  { name, detail, dateHeader }: { name: OwnName; detail: ErrorDetail; dateHeader: string },
): OwnResponse {
  const { status, proxyStatus } = ERROR_CODES[error.code]
  const message = detail === 'detail' ? error.message : proxyStatus.replaceAll('_', ' ')
  const details = detail === 'detail' ? `${error.code}: ${error.message}` : error.code
  const body = Buffer.from(JSON.stringify({ error: { code: error.code, message } }))
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
      `${name.proxyStatus}; error=${proxyStatus}; details=${structuredString(details)}`,
    ],
  }
}

/** Sends it. A response to HEAD has the length of the body that it leaves out (RFC 9110 9.3.2). */
export function sendOwnResponse(exchange: IngressExchange, response: OwnResponse): void {
  exchange.respondStart(response.status, response.headers)
  if (exchange.method !== 'HEAD' && response.body.length > 0) exchange.respondData(response.body, keepOwned)
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
