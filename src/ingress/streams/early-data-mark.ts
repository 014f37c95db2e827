import { hasHeader } from '../../base/http/headers.ts'
import type { RequestHead } from '../../http/multiplex/messages/message-head.ts'

/**
 * A request that came in early data and goes on before the handshake is complete says so, that whoever acts
 * on it knows that it may be a replay (RFC 8470 5.1). A client that said it itself is not contradicted: any
 * value of the field means the same there.
 */
export function markEarlyData(head: RequestHead): RequestHead {
  if (hasHeader(head.headers, 'early-data')) return head
  return { ...head, headers: [...head.headers, 'early-data', '1'] }
}
