import { TransportError } from '../../base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  HandshakeInfo,
  KeepAliveHint,
  SharedConnection,
  StreamShare,
} from '../../base/events/connection.ts'
import { guarded } from '../../base/guard.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { ExchangeHandler, ExchangeRequest } from '../../base/http/exchange.ts'
import type { Protocol } from '../../base/http/protocol.ts'

/** What a guest receives of itself when it joins a connection. */
export interface GuestOptions {
  readonly listener: ConnectionListener
  readonly sharedBy: SharedConnection
  readonly share: StreamShare
  /** Of the connection, but for what looking for it took. */
  readonly handshake: HandshakeInfo
  /** See Connection.altUsed. */
  readonly altUsed: string | undefined
}

/** What a guest asks of the connection that carries it. */
export interface GuestHost
  extends Pick<Connection, 'id' | 'protocol' | 'endpoint' | 'capacity' | 'requestsTaken' | 'ping'> {
  readonly isCapacityProvisional: boolean
  openFor(guest: GuestConnection | undefined, request: ExchangeRequest, handler: ExchangeHandler): void
  /** Ends the exchanges of the guest. */
  endExchangesOf(guest: GuestConnection, error: TransportError): void
  /** The guest has left, or ends with the connection. */
  forget(guest: GuestConnection): void
  toString(): string
}

/**
 * Where the guest stands.
 * - `open`: takes exchanges. Valid transitions: draining, closed.
 * - `draining`: takes no more, and leaves when the last one has ended; or with the connection. Valid
 *   transitions: closed.
 * - `closed`: the listener has had onClosed, or gets it now. Final
 */
type State = 'open' | 'draining' | 'closed'

/**
 * A connection of another origin as this one's pool sees it (RFC 9113 9.1.1, RFC 9114 3.3): its exchanges are
 * opened on that connection, and it ends with it. What the pool does to its own end, draining and closing it,
 * does nothing to the connection and to the exchanges of others.
 */
export class GuestConnection implements Connection {
  readonly id: number
  readonly protocol: Protocol
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo
  readonly altUsed: string | undefined
  readonly sharedBy: SharedConnection
  readonly share: StreamShare
  readonly #host: GuestHost
  readonly #listener: ConnectionListener
  #state: State = 'open'
  #reason: CloseReason | undefined
  #streams = 0
  #requests = 0

  constructor(host: GuestHost, options: GuestOptions) {
    this.id = host.id
    this.protocol = host.protocol
    this.endpoint = host.endpoint
    this.handshake = options.handshake
    this.altUsed = options.altUsed
    this.sharedBy = options.sharedBy
    this.share = options.share
    this.#host = host
    this.#listener = options.listener
  }

  /** Of all who share it. */
  get capacity(): number {
    return this.#state === 'open' ? this.#host.capacity : 0
  }

  get isCapacityProvisional(): boolean {
    return this.#host.isCapacityProvisional
  }

  get keepAlive(): KeepAliveHint | undefined {
    return undefined
  }

  get requestsTaken(): number | undefined {
    return this.#host.requestsTaken
  }

  get endedBy(): CloseReason | undefined {
    return this.#reason
  }

  open(request: ExchangeRequest, handler: ExchangeHandler): void {
    if (this.#state === 'open') {
      this.#streams += 1
      this.#requests += 1
      this.#host.openFor(this, request, handler)
      return
    }
    if (this.#state === 'draining') this.#listener.onStreamClosed(this, false)
    const message = `${this.toString()} takes no request now`
    handler.onResponseError(
      undefined,
      new TransportError('MM_CONNECTION_CLOSED', message, { processed: 'no' }),
    )
  }

  ping(signal?: AbortSignal): Promise<void> {
    return this.#host.ping(signal)
  }

  drain(reason: CloseReason): void {
    if (this.#state === 'closed') return
    this.#state = 'draining'
    this.#reason ??= reason
    if (this.#streams === 0) this.close(reason)
  }

  close(reason: CloseReason): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#reason = reason
    const code = reason === 'shutdown' ? 'MM_TRANSPORT_CLOSED' : 'MM_CONNECTION_CLOSED'
    this.#host.endExchangesOf(this, new TransportError(code, `the connection was closed: ${reason}`))
    this.#end(reason, undefined)
  }

  /** `h2#7 127.0.0.1:443 active, 3 streams, 12 requests, shared by https://a.example: 1 stream` */
  toString(): string {
    return `${this.#host.toString()}, shared by ${this.sharedBy.owner}: ${this.#streams} streams, ${this.#requests} requests`
  }

  // For the connection that carries it

  /** It carries an exchange of the guest no more. `failed`: see ConnectionListener. */
  onStreamClosed(failed: boolean): void {
    this.#streams -= 1
    if (this.#state === 'closed') return
    this.#listener.onStreamClosed(this, failed)
    if (this.#state === 'draining' && this.#streams === 0) this.close(this.#reason ?? 'drained')
  }

  onCapacityChanged(): void {
    if (this.#state === 'open') this.#listener.onCapacityChanged(this)
  }

  /** The connection takes no more exchanges, or none of this guest. */
  onDraining(reason: CloseReason): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#reason ??= reason
    this.#listener.onDraining(this, reason)
    if (this.#streams === 0) this.close(reason)
  }

  /** The connection is gone. */
  onClosed(reason: CloseReason, error: TransportError | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#reason ??= reason
    this.#end(reason, error)
  }

  #end(reason: CloseReason, error: TransportError | undefined): void {
    this.#host.forget(this)
    this.share.leave()
    this.#listener.onClosed(this, reason, error)
  }
}

/** The guests of one connection. What ends or changes it reaches each of them. */
export class Guests {
  readonly #guests = new Set<GuestConnection>()

  add(host: GuestHost, options: GuestOptions): GuestConnection {
    const guest = new GuestConnection(host, options)
    this.#guests.add(guest)
    return guest
  }

  remove(guest: GuestConnection): void {
    this.#guests.delete(guest)
  }

  onCapacityChanged(): void {
    for (const guest of this.#guests) guest.onCapacityChanged()
  }

  /** They take no more exchanges, and leave when the last one has ended. */
  dismiss(reason: CloseReason): void {
    for (const guest of this.#guests) guest.onDraining(reason)
  }

  /** The connection is gone; `during`: what a fault of theirs is reported as. */
  onClosed(reason: CloseReason, error: TransportError | undefined, during: string): void {
    for (const guest of this.#guests) guarded(during, () => guest.onClosed(reason, error))
  }
}
