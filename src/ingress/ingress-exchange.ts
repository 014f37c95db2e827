import type { Duplex } from 'node:stream'
import type { TransportError } from '../base/errors.ts'
import type { RequestBody } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'

/** What a client agreed on with us under its requests. */
export interface ClientTls {
  /** `TLSv1.3`. */
  readonly version: string
  /** The host that it asked for (SNI); undefined: it named none, or nobody noted it. */
  readonly serverName: string | undefined
}

/**
 * One request that a client sent us, and the means to answer it: the same for every protocol on the listening
 * side.
 */
export interface IngressExchange {
  readonly method: string
  /** What the client used towards us. */
  readonly scheme: 'http' | 'https'
  /**
   * The scheme of a target that names its origin by itself: absolute-form, or `:scheme` of HTTP/2 and HTTP/3.
   * Undefined: origin-form, `*`, CONNECT, or the scheme is neither.
   */
  readonly targetScheme: 'http' | 'https' | undefined
  /** Host or :authority, as sent; '' when HTTP/1.0 sent none. */
  readonly authority: string
  /**
   * Origin-form, `*`, or for CONNECT '' (the target is `authority`). An absolute-form target was taken apart.
   */
  readonly path: string
  /** End-to-end fields only: see HeaderList. */
  readonly headers: HeaderList
  readonly body: RequestBody
  /** The protocol that the client asks to switch to, lower case (`websocket`). */
  readonly upgrade: string | undefined
  /** `1.0`, `1.1`, `2`, `3`: for Via. */
  readonly httpVersion: string
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** What the client proved to have (TLS), DER. Undefined: it was not asked, or showed none that counts. */
  readonly clientCertificate: Buffer | undefined
  /** Undefined: cleartext. */
  readonly tls: ClientTls | undefined
  /** The client said that it takes trailers (`TE: trailers`), or its protocol always does. */
  readonly acceptsTrailers: boolean

  /** Where the exchange reports back. Set it before the handler returns. */
  events: IngressExchangeEvents | undefined

  /** A 1xx other than 101. Does nothing when the client cannot take it (HTTP/1.0). */
  respondInformational(status: number, headers: HeaderList): void
  /**
   * The head of the final response, once. End-to-end fields only. The framing follows from the status, the
   * method and `content-length`; without one HTTP/1.1 is chunked and HTTP/1.0 ends with a close. Held back
   * until the first data or the end, so that a small response leaves in one write.
   */
  respondStart(status: number, headers: HeaderList, statusText?: string): void
  /**
   * A piece of the body. The chunk may be borrowed memory: what is not written at once is kept through
   * `keep`. False: the client is slow, wait for events.onDrain.
   */
  respondData(chunk: Buffer, keep: (chunk: Buffer) => Buffer): boolean
  respondEnd(trailers: HeaderList): void
  /**
   * Takes back the response while no byte of it has left us. True: it was taken back, and respondStart begins
   * another one. False: too late, or it has not begun.
   */
  retract(): boolean
  /**
   * The response cannot be completed: ends the connection or resets the stream, so that the client sees a
   * truncated answer.
   */
  abort(error: TransportError): void
  /** Accepts the upgrade (101, or 200 to extended CONNECT and CONNECT) and hands the raw stream over. */
  acceptUpgrade(status: number, headers: HeaderList): Duplex & Pick<StreamSocket, 'carrier' | 'datagrams'>
}

export interface IngressExchangeEvents {
  /** The client takes more, after a respondData that returned false. */
  onDrain(): void
  /** The client went away, or broke the protocol, before the exchange was complete. The last call. */
  onAborted(error: TransportError): void
}

/** Takes each exchange. Must set `exchange.events` and answer sooner or later. */
export type IngressHandler = (exchange: IngressExchange) => void
