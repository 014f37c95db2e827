import type { TransportError } from '../errors.ts'
import type { Endpoint } from '../http/endpoint.ts'
import type { ExchangeHandler, ExchangeRequest } from '../http/exchange.ts'
import type { Protocol } from '../http/protocol.ts'

/**
 * Why a connection stopped taking requests or ended. The word is a metric label: add to it, do not rename.
 */
export type CloseReason =
  | 'idle-timeout' // nobody used it for `idleTimeoutMs`
  | 'keep-alive-timeout' // idle for about as long as the origin keeps it: by its hint, or as learned
  | 'max-age' // older than `maxAgeMs`
  | 'max-requests' // carried `maxRequests`, the origin's own maximum, or over QUIC too much unread data
  | 'evicted' // an idle one made room for another origin's
  | 'surplus' // more than demand and warm level need, or than may be once a stalled reader is done
  | 'errors' // `maxErrors` failed exchanges in a row
  | 'ping-failed' // did not answer the check before reuse, or a ping while exchanges were under way
  | 'unresponsive' // QUIC: nothing acknowledged for three probe timeouts; ends with what it carries
  | 'peer-closed' // the peer closed, or said that it will (Connection: close, GOAWAY)
  | 'unexpected-data' // bytes arrived on an idle connection
  | 'timeout' // an exchange was given up because the peer stood still
  | 'network-error' // reset, timed out, unreachable
  | 'path-failed' // its path failed and there was no other one; TCP: this machine lost its address
  | 'address-gone' // its address has left the DNS answers for the origin, or its local address this machine
  | 'protocol-error' // the peer broke the protocol
  | 'internal-error' // something of ours threw in one of its events: a defect
  | 'exchange-aborted' // the caller gave up an exchange in a way that ends an HTTP/1.1 connection
  | 'misdirected' // shared: the origin takes no requests over it (421, or an ORIGIN frame without it)
  | 'upgraded' // handed over to a tunnel
  | 'drained' // we are draining
  | 'shutdown' // the pool or the transport was closed

/** How the connection came to be. */
export interface HandshakeInfo {
  /** `none`: cleartext. Early data implies a resumed session. */
  kind: 'none' | 'full' | 'resumed' | 'early_data'
  earlyData: 'none' | 'accepted' | 'rejected'
  /**
   * `used`: our SYN carried data, and the peer took it. `fallback`: Fast Open was asked for, and the connect
   * was made as always.
   */
  tfo: 'off' | 'used' | 'fallback'
  /** Why Fast Open did not help, or how far; undefined where it was not asked for. */
  tfoBecause?: string | undefined
  /** All of the first flight went with the SYN. Left out: it was not asked for. */
  tfoSparedRoundTrip?: boolean
  /**
   * What left before the peer had said anything: ClientHello and early data, in bytes. Undefined: not
   * measured.
   */
  firstFlightBytes?: number | undefined
  /** Bytes that were sent and received until the handshake was complete. Undefined: not measured. */
  bytes?: number | undefined
  /**
   * CPU that the process used between the start of the handshake and its end: an upper bound, since other
   * work runs beside it. Undefined: not measured.
   */
  cpuMs?: number | undefined
  /** The negotiated TLS version, e.g. `TLSv1.3`; undefined for cleartext. */
  tlsVersion: string | undefined
  /**
   * When the certificate expires that a full handshake has verified, in ms since 1970. Left out: none was
   * looked at.
   */
  certificateExpiresAt?: number | undefined
  /**
   * The host names and addresses that the certificate covers which vouches for the peer: on a resumed
   * connection that of the full handshake. Left out: none was verified.
   */
  certificateNames?: readonly string[] | undefined
  /** Milliseconds that each phase took; 0 when it did not take place. */
  timings: { dnsMs: number; connectMs: number; tlsMs: number }
  /** Every attempt of the dial, the winner among them, in order of their start. */
  attempts: readonly AttemptRecord[]
}

/**
 * One attempt to connect, as `get --json` and `explain` print it.
 *
 * @example
 * ```ts
 * const { info } = await transport.request('https://origin.example/')
 * for (const { protocol, endpoint, startedAtMs, outcome, because } of info.attempts)
 *   console.log(protocol, endpoint, startedAtMs, outcome, because)
 * ```
 */
export interface AttemptRecord {
  protocol: Protocol
  /** `address:port`, IPv6 in brackets. */
  endpoint: string
  startedAtMs: number
  /** `overtaken`: another lane had a connection first; this one was still under way. */
  outcome: 'connected' | 'failed' | 'cancelled' | 'overtaken'
  because: string
  error?: string
}

/**
 * One connection to an origin, whatever it speaks. The pool leases its streams; the transport opens exchanges
 * on them. A connection is born connected and with its listener, so that no event is lost.
 */
export interface Connection {
  /** Unique in the process. */
  readonly id: number
  readonly protocol: Protocol
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo
  /** How many streams may be open at once, as the peer allows it now. HTTP/1.1: 1. */
  readonly capacity: number
  /**
   * `capacity` is provisional: the peer has not announced yet what it allows (HTTP/2 before its SETTINGS).
   * onCapacityChanged follows when it has, whether or not that is another number. Left out: never.
   */
  readonly isCapacityProvisional?: boolean
  /**
   * Starts an exchange on a leased stream. Never throws: every failure goes to the handler, and if the
   * handler is called at all its last call is onResponseEnd, onUpgrade or onResponseError. May call the
   * handler before it returns.
   */
  open(request: ExchangeRequest, handler: ExchangeHandler): void
  /**
   * Verifies that the connection still works. HTTP/2 and HTTP/3 send a PING; HTTP/1.1 has none and lets the
   * event loop read once, so that a close or stray bytes that wait in the kernel are seen. Rejects with a
   * TransportError.
   */
  ping(signal?: AbortSignal): Promise<void>
  /** Takes no more exchanges; closes when the last one ended. */
  drain(reason: CloseReason): void
  /** Ends now; open exchanges fail. Calling it again does nothing. */
  close(reason: CloseReason): void
  /**
   * Resolves when its socket is closed, which says goodbye for a bounded time after onClosed; never rejects.
   * Undefined: it is closed. Left out: it is so with onClosed.
   */
  whenGone?(): Promise<void> | undefined
  /**
   * What the peer said about how long it keeps the connection (HTTP/1.1 `Keep-Alive`), read after each
   * exchange.
   */
  readonly keepAlive: KeepAliveHint | undefined
  /**
   * `host:port` of the alternative (RFC 7838) that it goes to, where that is not the origin itself: requests
   * say it as `alt-used`.
   */
  readonly altUsed?: string | undefined
  /**
   * How many requests the peer has taken when it said that it takes no more (GOAWAY). Undefined: it has not,
   * or not said how many.
   */
  readonly requestsTaken?: number | undefined
  /**
   * Since when the handler of its exchange has paused the response that came, so that the connection stands
   * still for it. Undefined: it has not, or other exchanges go on beside it. Left out: it never stands still.
   */
  readonly pausedSince?: number | undefined
  /** Why it takes no more requests, or has ended. Undefined: it takes them, or the protocol cannot tell. */
  readonly endedBy?: CloseReason | undefined
  /**
   * It is a connection of another origin, which carries this one's requests as well: `id`, `endpoint` and
   * `handshake` are those of that connection, while the ends and the streams are this origin's own. Left out:
   * it is none.
   */
  readonly sharedBy?: SharedConnection | undefined
  /** The streams of such a connection, as the pool sees them that it is a guest of. */
  readonly share?: StreamShare | undefined
  /**
   * Takes no more exchanges of other origins: each of their pools has its onDraining. Those under way go on.
   * Left out: it never has any.
   */
  dismissGuests?(reason: CloseReason): void
  /** One line for people and tests: `http/1.1#7 127.0.0.1:443 idle, 12 requests`. */
  toString(): string
}

/** Whose connection carries the requests of an origin, where that is not its own. */
export interface SharedConnection {
  /** The key of the origin that the connection was made for. */
  readonly owner: string
  /** Why it may, for people. */
  readonly because: string
  /** Of the connection, as its owner waited for it. */
  readonly handshake: HandshakeInfo
  /** An ORIGIN frame named the origin (RFC 8336), so that it need not resolve to the connection's address. */
  readonly isByOriginSet: boolean
}

/**
 * The streams of a connection that several pools share, as one of them sees them. The pool takes a stream
 * when it decides about a lease, and gives it back with the end of the exchange.
 */
export interface StreamShare {
  /** Streams that it may take now: those that are free and that nobody waits for before it. */
  readonly free: number
  /** Streams that it has taken. */
  readonly used: number
  /** Exchanges of the others are under way. */
  readonly isUsedByOthers: boolean
  /** It waits for a stream. */
  readonly isWaiting: boolean
  /** Exchanges that guests had on the connection so far. */
  readonly guestLeases: number
  /** Called when it waits and a stream is free, which is kept for it during the call. Set by the pool. */
  onFree: (() => void) | undefined
  /** Throws when none is free. */
  take(): void
  giveBack(streams: number): void
  /** Waits for a stream, behind those who wait already. */
  wait(): void
  /** Something may be free now: waiters are offered it. For drivers, when their state is settled. */
  serve(): void
  /** Gives back everything, for good. */
  leave(): void
}

/** `Keep-Alive: timeout=…, max=…` (RFC 2068 19.7.1; still sent by nginx, Apache and Node). */
export interface KeepAliveHint {
  timeoutMs?: number
  /** Requests that the origin still takes on this connection. */
  maxRequests?: number
}

/** Where a connection reports. There is exactly one listener: the pool that it belongs to. */
export interface ConnectionListener {
  /** `connection.capacity` changed, or is provisional no more. */
  onCapacityChanged(connection: Connection): void
  /**
   * An exchange left the connection and its stream is free again. `failed` says that it ended with an error
   * that speaks against the connection or its peer (not with the caller's own abort). Called before the
   * handler is notified of the end, so that a request made from there can use the stream.
   */
  onStreamClosed(connection: Connection, failed: boolean): void
  /**
   * No new exchanges: the peer or the connection itself said so. onClosed follows when the open ones ended.
   */
  onDraining(connection: Connection, reason: CloseReason): void
  /** It is gone. The last call. */
  onClosed(connection: Connection, reason: CloseReason, error?: TransportError): void
}

/** Makes connections to one origin. The pool is handed one and knows nothing of protocols. */
export interface Connector {
  /** Rejects with a TransportError. After an abort it closes what arrives late. */
  connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection>
}

/**
 * What a connection has measured of its way, whatever it speaks: QUIC counts it itself (QuicStats fits), of
 * TCP the kernel does (TCP_INFO). Counters are those of the whole connection.
 */
export interface PathStats {
  /**
   * The smoothed round trip; 0: not measured yet. TCP's contains what a peer waits before it acknowledges,
   * where no answer comes sooner.
   */
  readonly rttMs: number
  /** The shortest round trip of the last minutes: the way alone. Undefined: it is not reported. */
  readonly minRttMs?: number | undefined
  /**
   * QUIC: every packet. TCP: segments with data, those that were sent again among them; of an acknowledgement
   * nobody learns whether it was lost.
   */
  readonly sentPackets: number
  /** Of what we sent. QUIC: declared lost. TCP: sent again, and not in vain as far as the peer reports. */
  readonly lostPackets: number
  readonly receivedPackets: number
  /**
   * Packets that came behind a gap: all that a receiver sees of losses. One loss makes for as many as were
   * under way behind it, so that their share is not that of the losses. Undefined: it is not reported.
   */
  readonly outOfOrderPackets?: number | undefined
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly congestionWindowBytes: number
  /** How fast what we sent arrived, at last. Undefined: not measured. */
  readonly deliveryBytesPerSecond?: number | undefined
}
