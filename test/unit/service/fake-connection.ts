import type { Connection, HandshakeInfo } from '../../../src/entry/events.ts'

/** A connection that only says what it is. */
export function fakeConnection(
  handshake: Partial<HandshakeInfo> = {},
  protocol: Connection['protocol'] = 'http/1.1',
): Connection {
  return {
    id: 7,
    protocol,
    endpoint: { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' },
    handshake: {
      kind: 'full',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: 'TLSv1.3',
      timings: { dnsMs: 0, connectMs: 42, tlsMs: 85 },
      attempts: [],
      ...handshake,
    },
    capacity: 1,
    keepAlive: undefined,
    open() {},
    ping: () => Promise.resolve(),
    drain() {},
    close() {},
    toString: () => 'http/1.1#7',
  }
}
