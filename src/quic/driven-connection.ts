import type {
  QuicAcceptOptions,
  QuicConnection,
  QuicConnectOptions,
  QuicEnd,
  QuicEngine,
  QuicHandshake,
  UdpAddress,
} from './engine.ts'

/** An engine as the drivers of this folder need it. */
export interface DrivenEngine extends QuicEngine {
  connect(options: QuicConnectOptions): DrivenConnection
  accept(options: QuicAcceptOptions & AcceptPolicy): DrivenConnection
  /**
   * Throws MM_INVALID_ARGUMENT for a certificate or key that accept() could not use: better when a server
   * starts than with its first client.
   */
  checkServer(options: ServerPolicy): void
}

/** What of the options of accept() is the same for all connections of a server. */
export type ServerPolicy = Pick<QuicAcceptOptions, 'tls' | 'quic' | 'protocols'> & AcceptPolicy

export interface AcceptPolicy {
  /** The client may come from another address, and may be given more connection ids. Default false. */
  readonly allowsSecondPath?: boolean
}

/**
 * What a driver sees of a connection beyond the port. Looking here takes no event away from the owner, who
 * may come later than the handshake.
 */
export interface DrivenConnection extends QuicConnection {
  /** What nextDatagram() may write at the most. */
  readonly packetRoomBytes: number
  /** What `established` said; undefined before. */
  readonly handshake: QuicHandshake | undefined
  /** What `ended` said, or will say. */
  readonly end: QuicEnd | undefined
  /**
   * It is over at once, and nobody is notified: the socket is of no use any more, or nobody has answered for
   * too long (`idle`).
   */
  fail(reason: string, cause?: 'unusable' | 'idle'): void
  /** What became of paths, in order; undefined: that was all. Where a second path is allowed. */
  nextPathEvent(): PathEvent | undefined
  /** Timers that have run out since anything came: 0 when something did. */
  readonly timeoutsInARow: number
  /** Bytes of streams that were read, and that the engine has taken for sending: whether anything moves. */
  readonly movedBytes: number
  /** Datagrams that came over the path with that local address. Costs microseconds. */
  receivedOver(local: UdpAddress): number
  /**
   * Sees whether the peer answers on another path (a server: one that its client has sent on); a path event
   * follows. False: it cannot be tried.
   */
  validatePath(local: UdpAddress, remote: UdpAddress): boolean
  /** Moves to another path. False: it cannot be done. */
  migrate(local: UdpAddress, remote: UdpAddress, now: number): boolean
  /** What was in flight on a path that was left counts as lost: it is sent again on the one in use. */
  resendFrom(left: UdpAddress): void
  /** Paths beside the first one that a connection may try in its life: connection ids bound them. */
  readonly maxOtherPaths: number
  /** A client's connection could use another path, if the peer had given it one more connection id. */
  readonly awaitsConnectionIds: boolean
  /** How many more connection ids the peer could be given. 0: it may not move. */
  connectionIdsLeft(): number
  /** Gives the peer an id to reach us by, and its token of 16 bytes. Its packets are ours from now on. */
  issueConnectionId(id: Buffer, resetToken: Buffer): void
  /** An id that the peer will not use any more; undefined: that was all. */
  nextRetiredId(): Buffer | undefined
}

export interface PathEvent {
  readonly outcome: 'new' | 'validated' | 'failed' | 'closed' | 'peer-migrated'
  readonly local: UdpAddress
  readonly remote: UdpAddress
}
