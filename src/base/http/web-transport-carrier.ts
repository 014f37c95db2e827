/**
 * The port between a session of WebTransport and the HTTP/3 connection that carries it: streams and datagrams
 * as they are on the wire. What the session itself says (capsules) goes over the tunnel of its CONNECT.
 *
 * Codes here are those of applications, 32 bits; the carrier maps them to what HTTP/3 has on the wire.
 */
export interface WebTransportCarrier {
  /** Who is notified, of streams and datagrams that came before as well. Once. */
  attach(owner: WebTransportCarrierOwner): void
  /** What the session may do at first, as the peer says. Undefined: flow control was not negotiated. */
  readonly peerLimits: SessionLimits | undefined
  /** What the peer may do at first, as we say; likewise. */
  readonly ownLimits: SessionLimits | undefined
  /** The longest payload of sendDatagram now; 0: none is taken. */
  readonly maxDatagramBytes: number
  readonly stats: CarrierStats
  /** So many the peer lets us open now. */
  streamsLeft(direction: StreamDirection): number
  /** Undefined: the peer allows no more now, and onStreamCredit follows. */
  openStream(direction: StreamDirection): RawStream | undefined
  /** False: it was not taken (too long, or the queue is full): onRoom follows when there may be room. */
  sendDatagram(payload: Uint8Array): boolean
  /** The session is over: all its streams are reset, and nothing more is reported. */
  close(): void
}

export type StreamDirection = 'bidirectional' | 'unidirectional'

/** Flow control of a session (draft-ietf-webtrans-http3 5). */
export interface SessionLimits {
  readonly maxData: number
  readonly maxBidirectional: number
  readonly maxUnidirectional: number
}

/** Of the connection, which other sessions and requests may share. */
export interface CarrierStats {
  readonly rttMs: number
  readonly sentPackets: number
  readonly sentBytes: number
  readonly receivedPackets: number
  readonly receivedBytes: number
  readonly lostPackets: number
}

export interface WebTransportCarrierOwner {
  /** The peer opened a stream. Nothing of it is read before its owner reads. */
  onStream(stream: RawStream): void
  /** Owned. */
  onDatagram(payload: Buffer): void
  /** openStream() may succeed again. */
  onStreamCredit(): void
  /** sendDatagram() may be taken again. */
  onRoom(): void
  /** The connection takes no new sessions (GOAWAY). */
  onDraining(): void
}

/** One stream of a session. After its last event, or once both sides are done, calls do nothing. */
export interface RawStream {
  readonly id: number
  readonly direction: StreamDirection
  /** It was opened here. */
  readonly isLocal: boolean
  /** Who is notified. Set it at once. */
  owner: RawStreamOwner | undefined
  /**
   * Reads what has come, which gives the peer credit for it. Undefined: nothing is there; onReadable follows,
   * or onReset.
   */
  read(into: Buffer): readonly [bytes: number, isEnd: boolean] | undefined
  /** Wants no more of the peer's side (STOP_SENDING). */
  stop(code: number): void
  /**
   * Takes as many bytes as windows allow, none to all. What was taken leaves at the end of this turn of the
   * loop. After less than all onWritable follows.
   */
  write(bytes: Uint8Array): number
  /** Our side is complete. */
  end(): void
  /** Breaks off our side (RESET_STREAM). */
  reset(code: number): void
  /** RFC 9218 4. */
  prioritize(urgency: number, incremental: boolean): void
}

export interface RawStreamOwner {
  onReadable(): void
  onWritable(): void
  /** The peer broke off its side. Undefined: with a code that is none of an application. */
  onReset(code: number | undefined): void
  /** The peer wants no more of ours. */
  onStopped(code: number | undefined): void
}
