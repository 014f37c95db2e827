import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { DeadPeerDetector } from '../connect/native/dead-peer-detector.ts'
import type { CodecLimits } from '../http/http1/codec/codec-failure.ts'
import type { FlooderTable } from './flooder-table.ts'
import type { IngressObserver } from './ingress-event.ts'
import type { ClientTls, IngressHandler } from './ingress-exchange.ts'
import type { IngressLimits } from './ingress-limits.ts'
import type { IngressStats } from './ingress-stats.ts'

/** What a session uses of a net.Socket or a tls.TLSSocket. */
export interface SessionSocket extends Duplex {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** Of a tls.TLSSocket: the certificate of the client was verified. */
  readonly authorized?: boolean
  getPeerX509Certificate?(): X509Certificate | undefined
  /** Of a tls.TLSSocket. */
  getProtocol?(): string | null
  readonly servername?: string | false | null | undefined
  readonly bytesWritten: number
  resetAndDestroy(): unknown
}

/** DER; undefined: the client showed none that was verified. */
export function clientCertificateOf(socket: SessionSocket): Buffer | undefined {
  return socket.authorized === true ? socket.getPeerX509Certificate?.()?.raw : undefined
}

/** Undefined: the connection is in cleartext. */
export function clientTlsOf(socket: SessionSocket): ClientTls | undefined {
  const version = socket.getProtocol?.() ?? undefined
  if (version === undefined) return undefined
  return { version, serverName: typeof socket.servername === 'string' ? socket.servername : undefined }
}

/** What all sessions of a listener share, whatever carries them. */
export interface ListenerContext {
  readonly handler: IngressHandler
  readonly limits: IngressLimits
  readonly clock: Clock
  readonly stats: IngressStats
  readonly observer: IngressObserver
  /** Clients whose connections a defence has ended. */
  readonly flooders: FlooderTable
  readonly scheme: 'http' | 'https'
  /** What we call ourselves in Proxy-Status. */
  readonly proxyName: string
}

/** The same for sessions over TCP. */
export interface SessionContext extends ListenerContext {
  readonly codecLimits: CodecLimits
  /** Finds clients that acknowledge nothing of what was sent. */
  readonly silence: Pick<DeadPeerDetector, 'add'>
}

/** One connection of a client, whatever it speaks, as its listener sees it. */
export interface IngressSession {
  /** A request has come over it. */
  readonly hasRequests: boolean
  /** Takes no more requests, and ends when those that are under way were answered. */
  drain(): void
  /** Ends at once. */
  destroy(): void
}
