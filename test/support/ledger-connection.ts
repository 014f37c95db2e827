import type { HandshakeInfo } from '../../src/base/events/connection.ts'
import type { Protocol } from '../../src/base/http/protocol.ts'
import type { LedgerConnection } from '../../src/origin/ledger/handshake-ledger.ts'

let lastId = 0

export type HandshakeChanges = Partial<Omit<HandshakeInfo, 'timings'>> & {
  connectMs?: number
  tlsMs?: number
}

/** A full TLS 1.3 handshake of 20 and 30 ms without Fast Open, but for what is given. */
export function handshake({ connectMs = 20, tlsMs = 30, ...changes }: HandshakeChanges = {}): HandshakeInfo {
  return {
    kind: 'full',
    earlyData: 'none',
    tfo: 'off',
    tlsVersion: 'TLSv1.3',
    timings: { dnsMs: 7, connectMs, tlsMs },
    attempts: [],
    ...changes,
  }
}

/** A connection with that handshake. */
export function ledgerConnection(
  changes: HandshakeChanges = {},
  protocol: Protocol = 'h2',
): LedgerConnection {
  lastId += 1
  return {
    id: lastId,
    protocol,
    handshake: handshake(protocol === 'h3' ? { connectMs: 0, ...changes } : changes),
  }
}
