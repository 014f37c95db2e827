import type { MigrationReport } from '../base/events/migration-report.ts'
import type { TlsOptions } from '../base/options/options.ts'
import type { QuicOptions } from '../base/options/protocol-options.ts'

/**
 * The port to a QUIC implementation: all that the rest of middlemile sees of QUIC (RFC 9000). An engine is
 * one folder; another one is a drop-in.
 *
 * Its shape is that of quinn-proto: no sockets and no timers. Whoever runs a connection hands it datagrams,
 * asks when it wants to be called, and sends what it puts out. One turn is: receive() for each datagram that
 * has come, onTimeout() if it is due, nextEvent() until there is none while acting on them, nextDatagram()
 * until there is none, and then a look at nextTimeoutAt(). Nothing here throws because of what a peer sent:
 * the connection ends, and says so by an event.
 */
export interface QuicEngine {
  /**
   * Name and version, for people: `quiche 0.18.0 (@matrixai/quic 2.0.9)`. Part of what a ticket is bound to.
   */
  readonly name: string
  /** Opens a connection. Throws TransportError MM_INVALID_ARGUMENT when the TLS options cannot be used. */
  connect(options: QuicConnectOptions): QuicConnection
  /** Takes the connection that an Initial packet asks for. That packet is given to receive() next. */
  accept(options: QuicAcceptOptions): QuicConnection
  /**
   * What a server must know of a packet to find its connection; undefined when it is none. Does not change
   * the datagram.
   */
  readHeader(datagram: Buffer, connectionIdBytes: number): PacketHeader | undefined
  /** The answer to a version that we do not speak (RFC 9000 6). */
  negotiateVersion(header: PacketHeader): Buffer
  /** Asks the client to prove its address (RFC 9000 8.1.2). */
  retry(header: PacketHeader, newConnectionId: Buffer, token: Buffer): Buffer
}

/** An IP address, without a zone, and a port. */
export interface UdpAddress {
  readonly host: string
  readonly port: number
}

export interface QuicConnectOptions {
  readonly local: UdpAddress
  readonly remote: UdpAddress
  /** SNI and the name that the certificate must have. An IP address is checked but not sent (RFC 6066 3). */
  readonly serverName: string
  /** Read once per object, like SecureContexts: who wants other settings hands over another object. */
  readonly tls: TlsOptions
  /** By ALPN names. */
  readonly protocols: readonly string[]
  readonly quic: QuicOptions
  /** Our first connection id: 8 to 20 random bytes. */
  readonly connectionId: Buffer
  /**
   * What a QuicEvent of type `ticket` brought, from the same peer under the same trust. A ticket that cannot
   * be read is not used.
   */
  readonly ticket?: Buffer | undefined
  /** Streams may be written before the handshake is complete (RFC 9001 4.6), if the ticket allows it. */
  readonly earlyData?: boolean
  /** A second path may be used: probePath and migrate. Default false: see `trusted` of OriginOptions. */
  readonly allowsSecondPath?: boolean
  /**
   * The server may open bidirectional streams, as many at once as `quic.maxConcurrentStreams`. Default false.
   */
  readonly takesServerStreams?: boolean
  /** Gets the lines of an SSLKEYLOGFILE. */
  readonly keylog?: ((line: Buffer) => void) | undefined
  /** What its path carries, at least 1200: neither side sends longer datagrams. Default: as `quic` says. */
  readonly maxUdpPayloadBytes?: number | undefined
}

export interface QuicAcceptOptions {
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly tls: QuicServerTls
  readonly protocols: readonly string[]
  readonly quic: QuicOptions
  readonly connectionId: Buffer
  /** After a Retry: the connection id that the client's first Initial had. */
  readonly originalConnectionId?: Buffer | undefined
  /** 16 bytes at the end of a Stateless Reset for `connectionId` (RFC 9000 10.3). Default: none. */
  readonly resetToken?: Buffer | undefined
}

/** Read once per object. */
export interface QuicServerTls {
  /** PEM certificate chain and key. */
  readonly cert: string
  readonly key: string
  /** PEM: client certificates are asked for, and must come from these. */
  readonly clientCa?: string | undefined
  /**
   * 48 bytes that tickets are sealed with: a server that has it again takes tickets of before. Default: the
   * engine's own.
   */
  readonly ticketKey?: Buffer | undefined
  /** Takes 0-RTT. Default false. */
  readonly earlyData?: boolean
}

export interface PacketHeader {
  readonly isInitial: boolean
  readonly isLong: boolean
  readonly version: number
  readonly isVersionSupported: boolean
  readonly destinationId: Buffer
  readonly sourceId: Buffer
  readonly token: Buffer | undefined
}

export interface OutgoingDatagram {
  /** Borrowed: used again with the next call. */
  readonly bytes: Buffer
  readonly from: UdpAddress
  readonly to: UdpAddress
}

/** Bytes that were read into the buffer, and whether the stream has ended with them. */
export type StreamRead = readonly [bytes: number, isEnd: boolean]

/**
 * One connection. Stream ids are those of RFC 9000 2.1: the low bit is the opener's role (0 client), the next
 * one the direction (2 unidirectional).
 */
export interface QuicConnection {
  // Inputs
  /** A datagram came. It is lent until this returns, and decrypted where it lies. An empty one is nothing. */
  receive(datagram: Buffer, from: UdpAddress, to: UdpAddress, now: number): void
  /** Call when nextTimeoutAt has come. */
  onTimeout(now: number): void

  // Outputs
  /**
   * The next datagram to send now, at the beginning of `into` if that is given: a packet's room at
   * the least.
   * Undefined: there is none until something else happens.
   */
  nextDatagram(now: number, into?: Buffer): OutgoingDatagram | undefined
  /**
   * When onTimeout wants to be called; Infinity: not at all. Changes with every input, command and datagram.
   */
  nextTimeoutAt(now: number): number
  /**
   * What has happened since it was asked last. Undefined: that was all. Asked again in the same turn it says
   * only what has come up since (a reset that a read found), never again what it has said.
   */
  nextEvent(): QuicEvent | undefined

  // What it knows
  readonly role: 'client' | 'server'
  /** The handshake is complete. */
  readonly isEstablished: boolean
  /**
   * Client: the ticket lets streams be written now, before the handshake is complete. Server: what is read
   * now was sent so.
   */
  readonly isInEarlyData: boolean
  /** It is over, and nothing more will be put out: it need not be driven any further. */
  readonly isClosed: boolean
  /** How many streams openStream() would still open now. */
  streamsLeft(direction: StreamDirection): number
  /** The longest payload of sendDatagram; 0: the peer takes none. */
  readonly maxDatagramBytes: number
  /**
   * Of all datagrams that were given to receive() and bear an id of ours, whatever was in them. Cheap, unlike
   * stats().
   */
  readonly receivedBytes: number
  stats(): QuicStats
  /** Why a client's connection cannot use another path now, for people. Undefined: it can. */
  readonly migrationRefusal: string | undefined

  // Commands
  /**
   * The id of a new stream of ours; undefined: the peer allows no more now. Nothing is put out before it is
   * written to.
   */
  openStream(direction: StreamDirection): number | undefined
  /**
   * Takes as many bytes as windows and congestion allow: none to all. `isLast` ends the stream, if all were
   * taken; it must come with a byte at least, since an engine may lose an end that stands alone. After less
   * than all a `writable` follows when there is room.
   */
  write(stream: number, bytes: Uint8Array, isLast: boolean): number
  /**
   * Ends a stream of which everything was written, without a byte to end it with: for streams that have no
   * frame to put in its place. False: there is no room for it now, and `writable` follows.
   */
  finish(stream: number): boolean
  /**
   * Reads in order what has come, which gives the peer credit for it. Undefined: nothing is there now, or
   * ever will be.
   */
  read(stream: number, into: Buffer): StreamRead | undefined
  /** Breaks off our side (RESET_STREAM). What was written and has not left is thrown away. */
  reset(stream: number, code: number): void
  /** Wants no more of the peer's side (STOP_SENDING); what still comes is thrown away. */
  stop(stream: number, code: number): void
  /**
   * The same, and the peer learns it at once where the engine can help it: `stop` may read over what comes of
   * a stream that the peer opened, for a while.
   */
  stopAtOnce(stream: number, code: number): void
  /** RFC 9218 4: whose bytes leave first. Urgency 0 to 7, the lowest first. */
  prioritize(stream: number, urgency: number, incremental: boolean): void
  /** RFC 9221. False: it was not taken (too long, the queue is full, or the peer takes none). */
  sendDatagram(bytes: Uint8Array): boolean
  /** Puts out something that the peer must acknowledge. */
  ping(): void
  /**
   * Ends the connection with an error code of the application (`isApplication`) or of QUIC. The peer is
   * notified by the next datagram.
   */
  close(isApplication: boolean, code: number, reason: string): void
}

export type StreamDirection = 'bidirectional' | 'unidirectional'

/** After `ended` nothing more comes. */
export type QuicEvent =
  | { readonly type: 'established'; readonly handshake: QuicHandshake }
  /**
   * Of our 0-RTT. It comes before `established`. Rejected: what was written is sent again by the engine, as
   * 1-RTT.
   */
  | { readonly type: 'early-data'; readonly outcome: 'accepted' | 'rejected' }
  /** Something to resume with later: secrets, never to be logged. Comes any number of times. */
  | { readonly type: 'ticket'; readonly ticket: Buffer }
  /**
   * There is something to read: bytes, the end, or a reset. Of a stream that was not read to the end of what
   * was there it comes again.
   */
  | { readonly type: 'readable'; readonly stream: number }
  /** After a write that took less than all: there is room. */
  | { readonly type: 'writable'; readonly stream: number }
  /** The peer broke off its side (RESET_STREAM): nothing more can be read. */
  | { readonly type: 'reset'; readonly stream: number; readonly code: number }
  /** The peer wants no more of ours (STOP_SENDING): the engine has reset it, and writes take nothing. */
  | { readonly type: 'stopped'; readonly stream: number; readonly code: number }
  /** RFC 9221. */
  | { readonly type: 'datagram'; readonly bytes: Buffer }
  /**
   * A limit of ours took effect: its name, e.g. `quic.maxSurplusBytes`. `ended` follows when it ends the
   * connection.
   */
  | { readonly type: 'defence'; readonly limit: string }
  /**
   * So much has come that nobody read that another connection is to take the place of this one, which goes
   * on. At most once.
   */
  | { readonly type: 'worn-out' }
  | { readonly type: 'ended'; readonly end: QuicEnd }

export interface QuicHandshake {
  /** The protocol that ALPN agreed on. */
  readonly protocol: string
  readonly isResumed: boolean
  /**
   * DER, the peer's own certificate first; on a resumed connection those of the connection that the ticket
   * came from.
   */
  readonly certificates: readonly Buffer[]
}

/** Why a connection is over. */
export interface QuicEnd {
  /**
   * - `local`: we closed it, or refused what the peer sent
   * - `peer`: CONNECTION_CLOSE came
   * - `idle`: nothing came for the idle timeout, or the handshake was not answered
   * - `reset`: a stateless reset came
   * - `version`: the peer speaks no version of QUIC that we do; `reason` names those that it does
   * - `unusable`: the engine cannot go on
   */
  readonly cause: 'local' | 'peer' | 'idle' | 'reset' | 'version' | 'unusable'
  /** `code` is one of the application's (HTTP/3), not of RFC 9000 20. */
  readonly isApplication: boolean
  readonly code: number
  /** From the peer: printable and cut. */
  readonly reason: string
}

export interface QuicStats {
  readonly receivedPackets: number
  readonly receivedBytes: number
  readonly sentPackets: number
  readonly sentBytes: number
  /** Declared lost; the engine sends their contents again. */
  readonly lostPackets: number
  /** Of the path in use: the smoothed round trip. */
  readonly rttMs: number
  readonly congestionWindowBytes: number
}

/** A connection together with its socket and its timer: whoever holds it, drives what is above QUIC. */
export interface QuicLink {
  readonly connection: QuicConnection
  readonly local: UdpAddress
  readonly remote: UdpAddress
  /** Who is notified. Set it at once. */
  owner: QuicLinkOwner | undefined
  /**
   * How it moves to other paths; undefined: it has none to move to (a server, an origin that is not trusted).
   */
  readonly mover: LinkMover | undefined
  /** Something was put out from outside of a turn: it leaves before the loop waits. Cheap to call often. */
  schedule(): void
  /**
   * Resolves when the connection is closed and the socket gone, whoever owns it then. Undefined: so it is.
   * Bounded by the closing period (RFC 9000 10.2).
   */
  whenOver(): Promise<void> | undefined
  /** Whether the socket keeps the process alive. A link is born without. */
  ref(): void
  unref(): void
}

/** Where to move to. Without an address the system chooses it (another port of the same one, usually). */
export interface MigrationTarget {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** Moves a client's connection to other paths: when it is told to, and when the one in use fails. */
export interface LinkMover {
  /** The last moves, the oldest first. */
  readonly reports: readonly MigrationReport[]
  /** Why it cannot move now, for people. Undefined: it can. */
  readonly refusal: string | undefined
  /**
   * Moves to another local address or port, the system's choice by default. Resolves with what became of it,
   * when that is known; never rejects.
   */
  migrate(to?: MigrationTarget): Promise<MigrationReport>
  /** This machine has these addresses now. */
  onAddresses(present: ReadonlySet<string>): void
  /** Who is notified of each move. Set it at once. */
  onReport: ((report: MigrationReport) => void) | undefined
  /**
   * The connection cannot move where it had to. `isPathDead`: nothing comes any more, so that it is of no
   * use; else it goes on for what is under way.
   */
  onRedial: ((because: string, isPathDead: boolean) => void) | undefined
}

export interface QuicLinkOwner {
  /**
   * Datagrams came or time passed: take the events. What is put out from within leaves after it. `now` is
   * that of the clock.
   */
  onTurn(now: number): void
  /** The connection is closed and the socket gone. The last call. */
  onClosed(): void
  /** Somebody waits for what the peer has to say: its silence means something. Left out: nobody. */
  isWaiting?(): boolean
}
