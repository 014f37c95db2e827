import { systemClock } from '../../src/base/clock.ts'
import { DEFAULT_QUIC_OPTIONS, type QuicOptions } from '../../src/base/options/protocol-options.ts'
import type { DrivenEngine } from '../../src/quic/driven-connection.ts'
import { quicEngine } from '../../src/quic/load-engine.ts'
import { ServerEndpoint } from '../../src/quic/server-endpoint.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../src/testing/certificates.ts'
import { Http3Peer, type Http3PeerOptions } from './http3-peer.ts'
import { data, responseHeaders } from './http3-wire.ts'

export interface Http3PeerOriginOptions extends Http3PeerOptions {
  /** Default: one for localhost, of an authority of its own. */
  tls?: IssuedCertificate
  /** Fixed, for an origin that comes back: 48 bytes that it seals tickets with. */
  ticketKey?: Buffer
  earlyData?: boolean
  port?: number
  quic?: Partial<QuicOptions>
  onConnection?: (peer: Http3Peer, index: number) => void
  /** A request that began. Default: it is answered with `ok`. */
  onRequest?: (peer: Http3Peer, streamId: number, index: number) => void
}

export interface Http3PeerOrigin extends AsyncDisposable {
  readonly port: number
  /** `https://localhost:PORT`. */
  readonly url: string
  /** What its clients have to trust. */
  readonly ca: string
  /** Every connection so far. */
  readonly peers: readonly Http3Peer[]
}

/** Floods are to be stopped by who is flooded. */
const GENEROUS: QuicOptions = {
  ...DEFAULT_QUIC_OPTIONS,
  maxConcurrentStreams: 1_000,
  maxUnidirectionalStreams: 100,
  maxSurplusBytes: 1_000_000_000,
}

/** An origin whose every connection is an Http3Peer. `index` counts connections, from 1 on. */
export async function startHttp3PeerOrigin(options: Http3PeerOriginOptions = {}): Promise<Http3PeerOrigin> {
  const tls = options.tls ?? (await (await createCertificateAuthority()).issue({ names: ['localhost'] }))
  const peers: Http3Peer[] = []
  const endpoint = await ServerEndpoint.listen({
    engine: loadedEngine(),
    clock: systemClock,
    local: { host: '127.0.0.1', port: options.port ?? 0 },
    tls: {
      cert: tls.cert,
      key: tls.key,
      ticketKey: options.ticketKey,
      earlyData: options.earlyData ?? false,
    },
    protocols: ['h3'],
    quic: { ...GENEROUS, ...options.quic },
    onConnection: link => {
      const peer = new Http3Peer(link, options)
      const index = peers.push(peer)
      peer.onRequest = streamId => {
        if (options.onRequest === undefined) answerOk(peer, streamId)
        else options.onRequest(peer, streamId, index)
      }
      options.onConnection?.(peer, index)
    },
  })
  const { port } = endpoint.local
  return {
    port,
    url: `https://localhost:${port}`,
    ca: tls.ca,
    peers,
    [Symbol.asyncDispose]() {
      endpoint.close()
      return Promise.resolve()
    },
  }
}

/** A complete answer of status 200. */
export function answerOk(peer: Http3Peer, streamId: number, body = 'ok'): void {
  peer.send(streamId, Buffer.concat([responseHeaders(), data(body)]), true)
}

/** Throws where there is none: see requireQuic. */
export function loadedEngine(): DrivenEngine {
  const loaded = quicEngine()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  return loaded.engine
}
