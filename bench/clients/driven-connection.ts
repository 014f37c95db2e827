import type { Connection, ConnectionListener, HandshakeInfo } from '../../src/base/events/connection.ts'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import { NO_HEADERS } from '../../src/base/http/headers.ts'
import { DEFAULT_TIMEOUTS } from '../../src/base/options/options.ts'
import type { BenchClient } from './client-job.ts'
import { CountingHandler } from './middlemile-client.ts'

/** The pool's ear, with nobody behind it. */
export const DEAF: ConnectionListener = {
  onCapacityChanged: () => undefined,
  onStreamClosed: () => undefined,
  onDraining: () => undefined,
  onClosed: () => undefined,
}

/** What nobody asks about here. */
export const UNTOLD_HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}

/** A connection of ours without transport and pool, as a client of the bench. */
export function drivenConnection(connection: Connection, authority: string): BenchClient {
  return {
    send(path, done) {
      const request: ExchangeRequest = {
        method: 'GET',
        scheme: 'https',
        authority,
        path,
        headers: NO_HEADERS,
        body: null,
        headersTimeoutMs: DEFAULT_TIMEOUTS.headersMs,
        bodyTimeoutMs: DEFAULT_TIMEOUTS.bodyMs,
      }
      connection.open(request, new CountingHandler(done))
    },
    close: () => Promise.resolve(connection.close('shutdown')),
  }
}
