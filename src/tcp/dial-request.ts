import type { Socket } from 'node:net'
import type { AttemptRecord, HandshakeInfo } from '../connection.ts'
import type { Endpoint } from '../endpoint.ts'
import type { SocketOptions, TimeoutOptions, TlsOptions } from '../options.ts'
import type { Origin } from '../origin.ts'
import type { Protocol } from '../protocol.ts'
import type { ReadPort } from '../read-port.ts'

/** What to connect to, and how. */
export interface DialRequest {
  readonly origin: Origin
  /** In the order in which they are tried, each with the reason for its place. A plan's attempts fit. */
  readonly attempts: readonly { readonly endpoint: Endpoint; readonly because: string }[]
  /** Offered by ALPN, best first. Cleartext speaks the first one. */
  readonly alpnProtocols: readonly Protocol[]
  /** Read once per object: new settings need a new object. */
  readonly tls: TlsOptions
  readonly timeouts: Pick<TimeoutOptions, 'connectMs' | 'tlsMs' | 'attemptDelayMs'>
  readonly socket: SocketOptions
  /** How long the resolver took, for the timings. */
  readonly dnsMs: number
  /** Hears of every attempt when the dial has ended, however it ended, in order of their start. */
  readonly onAttempts?: (attempts: readonly AttemptRecord[]) => void
}

export interface DialResult {
  /** Connected, and with TLS authenticated. The caller's own: only the listener that keeps tickets stays on it. */
  readonly socket: Socket
  /** Made as the socket's `onread`: what arrives is there and nowhere else. */
  readonly readPort: ReadPort
  readonly endpoint: Endpoint
  /** What ALPN agreed on; http/1.1 when the server does not know ALPN. */
  readonly alpnProtocol: Protocol
  readonly handshake: HandshakeInfo
  /** A ticket was offered; `handshake.kind` says whether the server took it. */
  readonly offeredTicket: boolean
}
