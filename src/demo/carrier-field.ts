import type { DispatchHandle, HeaderList } from '../entry/dispatch.ts'

/**
 * Says with each answer what carried it, and what a handshake cost or would have cost: `Proxy-Status:
 * middlemile; next-protocol=h2; details="connection 3, reused: it spared a handshake of 81 ms"` (RFC 9209:
 * next-protocol is what was spoken to the origin, details is for people).
 */
export function carrierField({
  connection,
  reused,
}: Pick<DispatchHandle, 'connection' | 'reused'>): HeaderList {
  if (connection === undefined) return []
  const { connectMs, tlsMs } = connection.handshake.timings
  const took = `a handshake of ${(connectMs + tlsMs).toFixed(0)} ms`
  const what = reused ? `reused: it spared ${took}` : `new: it cost ${took}`
  const { protocol, id } = connection
  return ['proxy-status', `middlemile; next-protocol=${protocol}; details="connection ${id}, ${what}"`]
}
