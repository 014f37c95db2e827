import type {
  QuicAcceptOptions,
  QuicConnection,
  QuicConnectOptions,
  QuicEnd,
  QuicEngine,
  QuicHandshake,
} from './engine.ts'

/** An engine as the drivers of this folder need it. */
export interface DrivenEngine extends QuicEngine {
  connect(options: QuicConnectOptions): DrivenConnection
  accept(options: QuicAcceptOptions & AcceptPolicy): DrivenConnection
  /** Throws MM_INVALID_ARGUMENT for a certificate or key that accept() could not use: better when a server starts than with its first client. */
  checkServer(options: ServerPolicy): void
}

/** What of the options of accept() is the same for all connections of a server. */
export type ServerPolicy = Pick<QuicAcceptOptions, 'tls' | 'quic' | 'protocols'> & AcceptPolicy

export interface AcceptPolicy {
  /** The client may come from another address, and may be given more connection ids. Default false. */
  readonly allowsSecondPath?: boolean
}

/**
 * What a driver sees of a connection beyond the port. Looking here takes no event away from the owner, who may come later than the
 * handshake.
 */
export interface DrivenConnection extends QuicConnection {
  /** What `established` said; undefined before. */
  readonly handshake: QuicHandshake | undefined
  /** What `ended` said, or will say. */
  readonly end: QuicEnd | undefined
  /** It is over at once, and nobody is told: the socket is of no use any more, or nobody has answered for too long (`idle`). */
  fail(reason: string, cause?: 'unusable' | 'idle'): void
  /** How many more connection ids the peer could be given. 0: it may not move. */
  connectionIdsLeft(): number
  /** Gives the peer an id to reach us by. Its packets are ours from now on. */
  issueConnectionId(id: Buffer): void
  /** An id that the peer will not use any more; undefined: that was all. */
  nextRetiredId(): Buffer | undefined
}
