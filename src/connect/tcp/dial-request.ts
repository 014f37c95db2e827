import type { AttemptRecord, HandshakeInfo } from '../../base/events/connection.ts'
import type { EarlyDataOutcome } from '../../base/events/observer.ts'
import type { EarlyGate } from '../../base/http/early-gate.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { TimeoutOptions, TlsOptions } from '../../base/options/options.ts'
import type { SocketOptions } from '../../base/options/socket-options.ts'
import type { ReadPort } from '../../base/socket/read-port.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { FastOpenReport } from '../fast-open/fast-open-report.ts'
import type { Departures } from '../local/departure.ts'
import type { SocketSettings } from './socket-settings.ts'

/** What to connect to, and how. */
export interface DialRequest {
  readonly origin: Origin
  /** In the order in which they are tried, each with the reason for its place. A plan's attempts fit. */
  readonly attempts: readonly { readonly endpoint: Endpoint; readonly because: string }[]
  /** Offered by ALPN, best first. Cleartext speaks the first one. */
  readonly alpnProtocols: readonly Protocol[]
  /** Read once per object: new settings need a new object. */
  readonly tls: TlsOptions
  readonly timeouts: Pick<TimeoutOptions, 'connectMs' | 'tlsMs' | 'fastOpenMs' | 'attemptDelayMs'>
  readonly socket: Pick<SocketOptions, 'keepAliveDelayMs'> & Partial<Pick<SocketOptions, 'dscp'>>
  /** What else is set on its sockets. */
  readonly settings?: SocketSettings | undefined
  /** Whether connects use TCP Fast Open, over TLS, and why not. Default: no. */
  readonly fastOpen?: FastOpenWish
  /**
   * Whether a request waits that may leave in early data: a ticket that nobody has used may carry it.
   * Undefined: none ever does.
   */
  readonly wantsEarlyData?: (() => boolean) | undefined
  /** What the endpoints are proxies of. Undefined: they are the origin's own. */
  readonly tunnels?: Tunnels | undefined
  /** Where connections leave from. Default: where the kernel lets them. */
  readonly departures?: Departures | undefined
  /** How long the resolver took, for the timings. */
  readonly dnsMs: number
  /** Is notified of every attempt when the dial has ended, however it ended, in order of their start. */
  readonly onAttempts?: (attempts: readonly AttemptRecord[]) => void
  /** What became of Fast Open where it was wanted; with early data after the dial has ended. */
  readonly onFastOpen?: (endpoint: Endpoint, report: FastOpenReport) => void
}

/** The way through proxies. */
export interface Tunnels {
  /** Of the egress, for the key of tickets: those that came one way are not shown on another. */
  readonly egress: string
  /** Resolves with a socket that leads to the origin. Rejects with a TransportError that names the proxy. */
  open(proxy: Endpoint, signal: AbortSignal): Promise<StreamSocket>
  /** A tunnel through it has no connection, and no local port, of its own. */
  isShared(proxy: Endpoint): boolean
  /** For messages: `192.0.2.1:3128 (the proxy http://proxy.example:3128)`. */
  describe(proxy: Endpoint): string
}

/** `off`: nobody asked. `held`: asked for, and not to be used for a reason of the caller's own. */
export type FastOpenWish =
  | { readonly kind: 'off' }
  | { readonly kind: 'wanted' }
  | { readonly kind: 'held'; readonly because: string }

export interface DialResult {
  /**
   * Connected, and with TLS authenticated, unless `early` says that this is still to come. The caller's own:
   * only the listener that keeps tickets stays on it.
   */
  readonly socket: StreamSocket
  /** The socket of TCP below it, for what the kernel knows. */
  readonly tcp: StreamSocket
  /** What arrives is there and nowhere else. */
  readonly readPort: ReadPort
  readonly endpoint: Endpoint
  /** What ALPN agreed on; http/1.1 when the server does not know ALPN. */
  readonly alpnProtocol: Protocol
  /** With `early` its kind is `early_data`, and it is corrected when the handshake is complete. */
  readonly handshake: HandshakeInfo
  /** A ticket was offered; `handshake.kind` says whether the server took it. */
  readonly offeredTicket: boolean
  /** What is written at once leaves in early data. */
  readonly early: EarlyHandshaking | undefined
}

/** A handshake that is under way while its connection is in use. */
export interface EarlyHandshaking extends EarlyGate {
  /** How long it may take; 0: no limit. Who uses the connection sees to it. */
  readonly limitMs: number
  /** What became of the early data, when it is complete; `unused`: none was sent. */
  readonly outcome: EarlyDataOutcome
  /** It went wrong: neither the ticket nor its like are offered again. */
  purgeTickets(): void
}
