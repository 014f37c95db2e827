import { randomBytes } from 'node:crypto'
import { type HeaderList, hasHeader } from '../../base/http/headers.ts'
import type { RequestHead } from '../../http/multiplex/messages/message-head.ts'

/**
 * The fields with which an extended CONNECT (RFC 8441, RFC 9220) goes on as the Upgrade that it stands for.
 * HTTP/2 and HTTP/3 have no use for the key of a WebSocket handshake, and an origin that speaks HTTP/1.1
 * refuses one without (RFC 6455 4.2.1), so it gets one of ours. A connection that speaks HTTP/2 or HTTP/3
 * leaves it out again.
 */
export function upgradeHeaders(head: RequestHead): HeaderList {
  const { headers } = head
  if (head.protocol !== 'websocket' || hasHeader(headers, 'sec-websocket-key')) return headers
  const fields = ['sec-websocket-key', randomBytes(16).toString('base64')]
  // RFC 8441 5 wants the client to send it; the protocol has had no other version (RFC 6455 4.1).
  if (!hasHeader(headers, 'sec-websocket-version')) fields.push('sec-websocket-version', '13')
  return headers.concat(fields)
}

/** The fields of the answer that accepts it: without what only answers our key. */
export function acceptedHeaders(headers: HeaderList): HeaderList {
  if (!hasHeader(headers, 'sec-websocket-accept')) return headers
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== 'sec-websocket-accept') kept.push(name, headers[i + 1] as string) // odd indexes are values
  }
  return kept
}
