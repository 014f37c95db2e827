import { once } from 'node:events'
import { connect } from 'node:net'
import type { EarlyGate } from '../../src/base/http/early-gate.ts'
import type { StreamSocket } from '../../src/base/socket/stream-socket.ts'
import { EarlyHandshakeWatch } from '../../src/connect/early-data/early-handshake.ts'
import { openEarlySocket } from '../../src/connect/early-data/early-socket.ts'
import { ClientContexts } from '../../src/connect/openssl/client-contexts.ts'
import { callableOpenssl } from '../support/require-openssl.ts'

let contexts: ClientContexts | undefined

/**
 * A connection to 127.0.0.1 with a TLS client of our own, whose handshake, a full one, has just come to its
 * end.
 */
export async function earlySocketTo(
  port: number,
  ca: string,
  alpn: string,
): Promise<{ socket: StreamSocket; early: EarlyGate }> {
  contexts ??= new ClientContexts(callableOpenssl())
  const raw = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(raw, 'connect')
  const opened = openEarlySocket({
    raw,
    context: contexts.get({ ca }),
    serverName: '127.0.0.1',
    rejectUnauthorized: true,
    alpn,
    session: Buffer.alloc(0),
    keylog: undefined,
  })
  const early = new EarlyHandshakeWatch({
    socket: opened,
    handshake: {
      kind: 'early_data',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: undefined,
      timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
      attempts: [],
    },
    limitMs: 0,
    readInfo: undefined,
    onComplete: () => {},
    onFailed: () => {},
    purgeTickets: () => {},
  })
  await new Promise<void>(resolve => early.onOpen(resolve))
  return { socket: opened.socket, early }
}
