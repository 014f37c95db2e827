import { systemClock } from '../../src/base/clock.ts'
import { DEFAULT_TIMEOUTS } from '../../src/base/options/options.ts'
import { DEFAULT_QUIC_OPTIONS, type QuicOptions } from '../../src/base/options/protocol-options.ts'
import { dialQuic } from '../../src/quic/dial.ts'
import { Http3Peer, type Http3PeerOptions } from './http3-peer.ts'
import { loadedEngine } from './http3-peer-origin.ts'

export interface Http3PeerClientOptions extends Http3PeerOptions {
  ca: string
  quic?: Partial<QuicOptions>
}

/**
 * A client on a connection to localhost, at 127.0.0.1, that does what its test says. Its handshake is
 * complete.
 */
export async function connectHttp3Peer(port: number, options: Http3PeerClientOptions): Promise<Http3Peer> {
  const endpoint = { address: '127.0.0.1', family: 4, port, transport: 'udp' } as const
  const { link } = await dialQuic(
    loadedEngine(),
    {
      origin: `https://localhost:${port}`,
      attempts: [{ endpoint, because: 'the test says so' }],
      serverName: 'localhost',
      tls: { ca: options.ca },
      quic: { ...DEFAULT_QUIC_OPTIONS, maxSurplusBytes: 1_000_000_000, ...options.quic },
      timeouts: DEFAULT_TIMEOUTS,
      protocols: ['h3'],
    },
    systemClock,
    new AbortController().signal,
  )
  return new Http3Peer(link, options)
}
