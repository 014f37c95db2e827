import type { Connection } from '../../base/events/connection.ts'
import type { QuicConnection } from '../../quic/engine.ts'

/** What is judged by an HTTP/3 connection that TCP has overtaken. */
export interface Http3PathHost {
  /** How long a request over a path waits for a proof of liveness. */
  patienceMs(): number
  /** The first response has come over it. */
  onPathProven(path: Http3Path): void
  /** HTTP/3 is to blame: the connection gets no more requests. */
  onPathFailed(path: Http3Path, because: string): void
}

/** An exchange whose request is out over a path, and that has no answer yet. */
export interface PathUser {
  /** Nothing comes over the path any more. */
  onPathUnresponsive(): void
}

/**
 * The way of one HTTP/3 connection, as far as requests on it have tried it. UDP may be dropped at any time
 * without a word: a firewall that lets the handshake through, a NAT that forgets, a server that handshakes
 * and does no more.
 */
export class Http3Path {
  readonly connection: Connection
  /** `host:port` of the alternative that it leads to. */
  readonly alternative: string
  /** A response has come over it: see onAnswered. */
  isProven = false
  readonly quic: QuicConnection
  readonly #host: Http3PathHost
  #hasFailed = false
  readonly #users = new Set<PathUser>()
  /** What had been received when it was found unresponsive. */
  #unresponsiveAt: number | undefined
  /** Requests that TCP answered before. */
  #overtakings = 0

  constructor(connection: Connection, quic: QuicConnection, alternative: string, host: Http3PathHost) {
    this.connection = connection
    this.quic = quic
    this.alternative = alternative
    this.#host = host
  }

  get patienceMs(): number {
    return this.#host.patienceMs()
  }

  /** What has been received so far: to be kept with a request that leaves, and asked about later. */
  get receivedBytes(): number {
    return this.quic.receivedBytes
  }

  /** HTTP/3 was blamed for it: what still waits for an answer here is no guess any more. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Until it has an answer, or waits for none over this path. */
  join(user: PathUser): void {
    this.#users.add(user)
  }

  leave(user: PathUser): void {
    this.#users.delete(user)
  }

  /** The connection takes no new requests, since its peer owes acknowledgements and sends nothing. */
  onUnresponsive(): void {
    this.#unresponsiveAt = this.quic.receivedBytes
    // Who leaves meanwhile is not notified, and nobody joins: the connection takes no new requests.
    for (const user of this.#users) user.onPathUnresponsive()
  }

  /** It was found unresponsive, and nothing has come since. */
  get isUnresponsive(): boolean {
    return this.#unresponsiveAt === this.quic.receivedBytes
  }

  /**
   * Makes a peer that lives say something, and so tells one that thinks from a way that has died under the
   * request.
   */
  check(): void {
    this.connection.ping().catch(() => {}) // whether bytes came is looked at later
  }

  /** A response has begun on it. */
  onAnswered(): void {
    if (this.isProven) return
    this.isProven = true
    this.#host.onPathProven(this)
  }

  /**
   * It has not answered any request yet, or said nothing at all since then (a peer that lives acknowledges
   * within a round trip).
   */
  isSuspect(receivedBytes: number): boolean {
    return !this.isProven || this.isSilent(receivedBytes)
  }

  isSilent(receivedBytes: number): boolean {
    return this.quic.receivedBytes === receivedBytes
  }

  /**
   * TCP answered a request that this path had for `outMs`, in `otherMs`. It is to blame when it is silent; or
   * when it has never answered, and TCP either needed less than half of the time or was ahead for the second
   * time, though it began later: an origin that is slow is slow on both.
   */
  onOvertaken(receivedBytes: number, outMs: number, otherMs: number): void {
    this.#overtakings += 1
    if (this.isSilent(receivedBytes)) this.#fail(`silent for ${outMs.toFixed(0)} ms, while TCP answered`)
    else if (!this.isProven && (otherMs * 2 < outMs || this.#overtakings > 1))
      this.#fail(`no answer within ${outMs.toFixed(0)} ms, while TCP answered in ${otherMs.toFixed(0)} ms`)
  }

  #fail(because: string): void {
    this.#hasFailed = true
    this.#host.onPathFailed(this, because)
  }
}
