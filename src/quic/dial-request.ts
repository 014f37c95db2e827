import type { Endpoint } from '../base/http/endpoint.ts'
import type { TimeoutOptions, TlsOptions } from '../base/options/options.ts'
import type { QuicOptions } from '../base/options/protocol-options.ts'
import type { QuicHandshake, QuicLink } from './engine.ts'

/** What to connect to over QUIC, and how. */
export interface QuicDialRequest {
  /** For messages: who is wanted. */
  readonly origin: string
  /** In the order in which they are tried, each with the reason for its place. A plan's attempts fit. */
  readonly attempts: readonly { readonly endpoint: Endpoint; readonly because: string }[]
  readonly serverName: string
  /** Read once per object, like `quic`: new settings need new objects. */
  readonly tls: TlsOptions
  readonly quic: QuicOptions
  readonly timeouts: Pick<TimeoutOptions, 'connectMs' | 'attemptDelayMs'>
  readonly protocols: readonly string[]
  readonly ticket?: Buffer | undefined
  /** Resolve as soon as streams can be written (RFC 9001 4.6). Only with a ticket that allows it. */
  readonly earlyData?: boolean
  readonly allowsSecondPath?: boolean
  readonly keylog?: ((line: Buffer) => void) | undefined
  /** Is notified of every attempt when the dial has ended, however it ended, in order of their start. */
  readonly onAttempts?: (attempts: readonly QuicAttemptRecord[]) => void
}

/** One attempt, as AttemptRecord has it but for the protocol. */
export interface QuicAttemptRecord {
  readonly endpoint: string
  readonly startedAtMs: number
  readonly outcome: 'connected' | 'failed' | 'cancelled'
  readonly because: string
  readonly error?: string
}

export interface QuicDialResult {
  /** Without an owner: set it at once. It gets all events, those of the handshake too. */
  readonly link: QuicLink
  readonly endpoint: Endpoint
  /** Undefined: the link is in early data. `established`, or `ended`, tells later, within `connectMs`. */
  readonly handshake: QuicHandshake | undefined
  /** The attempt had the ticket; `handshake.isResumed` says whether the server took it. */
  readonly offeredTicket: boolean
  readonly attempts: readonly QuicAttemptRecord[]
  /** From the start of the winner's attempt until now. QUIC does not part connecting from TLS. */
  readonly handshakeMs: number
}
