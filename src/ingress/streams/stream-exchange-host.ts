import { NEVER } from '../../base/clock.ts'
import { stacklessError, type TransportError } from '../../base/errors.ts'
import type { StreamReset } from '../../http/multiplex/stream.ts'
import type { ClientTls } from '../ingress-exchange.ts'
import type { IngressLimits } from '../ingress-limits.ts'

/** The two ends of a connection, as its exchanges name them. */
export interface ConnectionEnds {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly clientCertificate: Buffer | undefined
  readonly tls: ClientTls | undefined
}

/** What an exchange needs of its session. */
export interface StreamExchangeHost<Exchange> {
  readonly limits: IngressLimits
  readonly proxyName: string
  /** `2`, `3`. */
  readonly httpVersion: string
  readonly scheme: 'http' | 'https'
  /** Read each time: a client of QUIC may move. */
  readonly ends: ConnectionEnds
  /** When the read came that is being worked on. */
  readonly readAtMs: number
  /** Why the connection ended, where that was not the session's doing. */
  readonly endError: TransportError | undefined
  /** Readers that sleep hold so much that all streams of the connection may have to wait. */
  readonly isHoldingBack: boolean
  /** The memory of a read is written to no more, so that what is done with soon need not be copied. */
  readonly ownsReads: boolean
  /** Monotonic milliseconds. */
  now(): number
  /** A version of a chunk of a read that may be kept for long. */
  keep(chunk: Buffer): Buffer
  /** Opens the exchange with the next flush. */
  hold(exchange: Exchange): void
  /** Calls checkDeadlines at this time, if not before. */
  watch(exchange: Exchange, deadlineMs: number): void
  /** Its request body is waited for, or is no longer: see `minRequestRate`. */
  setAwaited(exchange: Exchange, isAwaited: boolean): void
  /** Some of its response waits for the client: see `minResponseRate`. */
  onResponseWaits(exchange: Exchange, isAnew: boolean): void
  /** Nothing of it waits any more. */
  onResponseTaken(exchange: Exchange): void
  /** Whether its request body waits for a reader. */
  setSleeping(exchange: Exchange, isSleeping: boolean): void
  /** It is over: nothing of it is watched any more. */
  forget(exchange: Exchange): void
  /** Calls resetIfSent until it has done so. */
  resetWhenSent(exchange: Exchange): void
  /** Fields of a request were left out: see `underscoredFields`. */
  onFieldsDropped(count: number): void
  /** A request was refused, or given up because of its client. */
  onRefused(error: TransportError): void
}

/** What the end of a stream of a client means for its exchange. */
export function streamResetError({ cause, code, message }: StreamReset): TransportError {
  if (cause === 'limit') return stacklessError('MM_REQUEST_HEADER_LIMIT', message)
  if (cause === 'invalid') return stacklessError('MM_INVALID_ARGUMENT', message)
  if (cause === 'broken') return stacklessError('MM_BAD_REQUEST', message)
  const what =
    cause === 'session' ? 'the connection to the client ended' : `the client reset the stream (${code})`
  return stacklessError('MM_CLIENT_GONE', message === '' ? what : `${what}: ${message}`)
}

/**
 * Whether a client takes what waits for it. Whether it took some is looked at when the time is up and not
 * before, so that one that takes it costs nothing.
 */
export class TakeWatch {
  /** When the client must have taken some; NEVER while nothing waits for it. */
  deadlineMs = NEVER
  #takenBytes = 0

  /**
   * Something waits for it, of which it took `takenBytes` so far. Does nothing when it is watched already.
   */
  begin(takenBytes: number, deadlineMs: number): void {
    if (this.deadlineMs !== NEVER) return
    this.#takenBytes = takenBytes
    this.deadlineMs = deadlineMs
  }

  /** Time is up: whether it took some since. Watch on with `begin`. */
  end(takenBytes: number): boolean {
    this.deadlineMs = NEVER
    return takenBytes !== this.#takenBytes
  }
}
