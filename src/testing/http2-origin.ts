import type { SecureContextOptions } from 'node:tls'
import type { Protocol } from '../base/http/protocol.ts'
import { listen } from '../ingress/listener.ts'
import { ExchangeAnswer } from './exchange-answers.ts'
import type { OriginSettings, TestOrigin } from './origins.ts'

/** How an HTTP/2 origin answers. */
export interface Http2OriginSettings extends Omit<OriginSettings, 'clientCa'> {
  /** What it speaks; default: h2 and nothing else. With TLS by ALPN, in cleartext by prior knowledge. */
  protocols?: readonly Exclude<Protocol, 'h3'>[]
  /** It thinks for so long before each answer. */
  delayMs?: number
  /** Streams that a connection may have open at once. */
  maxConcurrentStreams?: number
}

/** A TestOrigin that does not see whether a handshake resumed a session. */
export interface Http2Origin extends Omit<TestOrigin, 'resumptionsSeen'> {
  /** Connections so far by what they spoke. */
  connectionsByProtocol(): Readonly<Record<Exclude<Protocol, 'h3'>, number>>
}

/**
 * An origin that speaks HTTP/2 (RFC 8441 included), on middlemile's own listening side; the answers are those
 * of the other origins.
 *
 * @example
 * ```ts
 * const origin = await startHttp2Origin()
 * console.log(origin.url)
 * await origin.close()
 * ```
 */
export async function startHttp2Origin(settings: Http2OriginSettings = {}): Promise<Http2Origin> {
  const { delayMs = 0, protocols = ['h2'], maxConcurrentStreams } = settings
  const tls: SecureContextOptions | undefined =
    settings.tls === undefined ? undefined : { cert: settings.tls.cert, key: settings.tls.key }
  const listener = await listen({
    address: { host: settings.address ?? '127.0.0.1', port: settings.port ?? 0 },
    ...(tls !== undefined && { tls }),
    protocols,
    ...(maxConcurrentStreams !== undefined && { limits: { http2: { maxConcurrentStreams } } }),
    handler: exchange => void new ExchangeAnswer(exchange, delayMs, settings.describe),
  })
  const { port, stats } = listener
  return {
    url: `${tls === undefined ? 'http' : 'https'}://localhost:${port}`,
    port,
    close: () => listener.close(),
    connectionsSeen: () => stats.protocols.h2.connections + stats.protocols['http/1.1'].connections,
    connectionsOpen: () => stats.connections.open,
    requestsSeen: () => stats.requests,
    connectionsByProtocol: () => ({
      h2: stats.protocols.h2.connections,
      'http/1.1': stats.protocols['http/1.1'].connections,
    }),
  }
}
