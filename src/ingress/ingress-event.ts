import type { TransportError } from '../base/errors.ts'

/** What an operator may want to read in a log. Successful traffic is the handler's to report. */
export type IngressEvent = ClientEvent | FastOpenUnavailable | AcceptEvent

/** What a client did. */
export type ClientEvent =
  /** A client sent what cannot be forwarded, or too slowly, and was notified if it was not too late. */
  | { type: 'request-refused'; error: TransportError; remoteAddress: string; remotePort: number }
  /** A TLS handshake failed or took too long. */
  | { type: 'handshake-failed'; error: Error; remoteAddress: string; remotePort: number }
  /**
   * Defences have ended more than `maxFloodsPerMinute` of its connections: new ones are refused for
   * `floodRefusalMs`. Once for each time.
   */
  | { type: 'flooder-refused'; remoteAddress: string; remotePort: number }
  /** `maxConnections` was reached, and a connection closed at once. */
  | { type: 'connection-refused'; remoteAddress: string; remotePort: number }

/** Of a listener that was asked for TCP Fast Open, once, before listen() resolves: it works without. */
interface FastOpenUnavailable {
  readonly type: 'fast-open-unavailable'
  /** For people. */
  readonly because: string
  /** Where it listens. */
  readonly address: string
  readonly port: number
}

/**
 * A listener stops accepting, since descriptors are about to run out, and goes on. Clients that connect
 * meanwhile wait.
 */
export type AcceptEvent =
  | {
      readonly type: 'accept-paused'
      readonly because: string
      readonly address: string
      readonly port: number
    }
  | {
      readonly type: 'accept-resumed'
      readonly pausedMs: number
      readonly address: string
      readonly port: number
    }

export type IngressObserver = (event: IngressEvent) => void
