import { createHash } from 'node:crypto'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The answer of a WebSocket handshake in HTTP/1.1 to the key of the client (RFC 6455 4.2.2). HTTP/2 has neither (RFC 8441 5). */
export function websocketAccept(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`, 'latin1').digest('base64')
}
