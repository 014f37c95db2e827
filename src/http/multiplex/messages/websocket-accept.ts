import { createHash } from 'node:crypto'
import type { HeaderList } from '../../../base/http/headers.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const ACCEPT = 'sec-websocket-accept'

/**
 * The fields of a 101 that accepts the WebSocket of a client of HTTP/1.1: with the answer to its key (RFC
 * 6455 4.2.2), which HTTP/2 does not have (RFC 8441 5).
 */
export function acceptWebsocket(headers: HeaderList, key: string): HeaderList {
  const accepted: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== ACCEPT) accepted.push(name, headers[i + 1] as string) // odd indexes are values
  }
  accepted.push(ACCEPT, createHash('sha1').update(`${key}${GUID}`, 'latin1').digest('base64'))
  return accepted
}
