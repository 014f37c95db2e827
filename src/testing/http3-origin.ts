import { reportFault } from '../base/guard.ts'
import { NO_HEADERS } from '../base/http/headers.ts'
import type { Http3Options, QuicOptions } from '../base/options/protocol-options.ts'
import { acceptWebTransport, offeredProtocols } from '../ingress/accept-web-transport.ts'
import { listenQuic } from '../ingress/quic-listener.ts'
import type { WebTransportSession } from '../webtransport/types.ts'
import { WebTransportError } from '../webtransport/web-transport-error.ts'
import type { IssuedCertificate } from './certificates.ts'
import { ExchangeAnswer } from './exchange-answers.ts'
import type { OriginSettings, TestOrigin } from './origins.ts'

/** How an HTTP/3 origin answers. */
export interface Http3OriginSettings extends Omit<OriginSettings, 'tls'> {
  /** There is no HTTP/3 without TLS. */
  tls: IssuedCertificate
  /** It thinks for so long before each answer. */
  delayMs?: number
  /** Requests that a connection may have under way at once. */
  maxConcurrentStreams?: number
  /** Requests that a connection may carry in all; the last one comes with a GOAWAY. */
  maxRequestsPerConnection?: number
  /** Takes 0-RTT. Default false. */
  earlyData?: boolean
  /** 48 bytes. An origin that is started again with them knows the tickets of before. */
  ticketKey?: Buffer
  /** Whether clients must prove their address. Default: never. */
  retry?: 'never' | 'always'
  /** Clients may move to another address. Default false. */
  allowsMigration?: boolean
  /**
   * Takes sessions of WebTransport, and is handed each as it was accepted, with the path that it was asked
   * for. A promise that it returns may reject with the failure of the session, which ends nothing else.
   * Default: none are offered.
   */
  onSession?: (session: WebTransportSession, path: string) => void | Promise<void>
  /** Whether a session is accepted; else its CONNECT is answered with 403. Default: all are. */
  acceptsSession?: (path: string) => boolean
  quic?: Partial<QuicOptions>
  http3?: Partial<Http3Options>
}

/** An HTTP/3 origin that runs. */
export interface Http3Origin extends TestOrigin {
  /** Requests that came in early data, before the handshake was complete. */
  earlyRequestsSeen(): number
  /** Ends its connections by GOAWAY: what is under way is answered, and nothing new is taken. */
  drain(): Promise<void>
}

/**
 * An origin that speaks HTTP/3 (RFC 9220 included), on middlemile's own listening side; the answers are those
 * of the other origins. Rejects with MM_PROTOCOL_UNAVAILABLE where there is no QUIC engine.
 *
 * @example
 * ```ts
 * const authority = await createCertificateAuthority()
 * const origin = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }) })
 * ```
 */
export async function startHttp3Origin(settings: Http3OriginSettings): Promise<Http3Origin> {
  const { delayMs = 0, tls, clientCa, earlyData = false, ticketKey, quic, http3 } = settings
  const { maxConcurrentStreams, maxRequestsPerConnection = 0 } = settings
  let resumptions = 0
  let earlyRequests = 0
  const listener = await listenQuic({
    address: { host: settings.address ?? '127.0.0.1', port: settings.port ?? 0 },
    tls: { cert: tls.cert, key: tls.key, clientCa, ticketKey, earlyData },
    webTransport: settings.onSession !== undefined,
    retry: settings.retry ?? 'never',
    allowsMigration: settings.allowsMigration ?? false,
    limits: {
      maxRequestsPerConnection,
      quic: { ...(maxConcurrentStreams !== undefined && { maxConcurrentStreams }), ...quic },
      ...(http3 !== undefined && { http3 }),
    },
    onHandshake: ({ isResumed }) => {
      if (isResumed) resumptions++
    },
    handler: exchange => {
      if (exchange.headers.includes('early-data')) earlyRequests++
      const { onSession, acceptsSession = () => true } = settings
      if (onSession === undefined || exchange.upgrade !== 'webtransport') {
        void new ExchangeAnswer(exchange, delayMs, settings.describe)
        return
      }
      exchange.events = { onDrain() {}, onAborted() {} }
      if (acceptsSession(exchange.path)) {
        const [protocol] = offeredProtocols(exchange)
        const session = acceptWebTransport(exchange, { protocol })
        Promise.resolve(onSession(session, exchange.path)).catch((error: unknown) => {
          if (!(error instanceof WebTransportError)) reportFault('a session of a test origin', error)
        })
      } else {
        exchange.respondStart(403, NO_HEADERS)
        exchange.respondEnd(NO_HEADERS)
      }
    },
  })
  const { port, stats } = listener
  return {
    url: `https://localhost:${port}`,
    port,
    close: () => listener.close(),
    drain: () => listener.drain(),
    connectionsSeen: () => stats.protocols.h3.connections,
    connectionsOpen: () => stats.connections.open,
    requestsSeen: () => stats.requests,
    resumptionsSeen: () => resumptions,
    earlyRequestsSeen: () => earlyRequests,
  }
}
