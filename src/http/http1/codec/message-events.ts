import type { KeepAliveHint } from '../../../base/events/connection.ts'
import type { HeaderList } from '../../../base/http/headers.ts'

/** What a decoder reports, in this order for each message: onHead, onData*, onEnd. */
export interface MessageEvents<Head> {
  onHead(head: Head): void
  /**
   * A piece of the body, a view into the bytes that were handed to `receive`: borrowed until the call
   * returns.
   */
  onData(chunk: Buffer): void
  /** The message is complete. */
  onEnd(trailers: HeaderList): void
}

/** A request as the listening side reads it. */
export interface Http1RequestHead {
  readonly method: string
  /**
   * Host, or the authority of an absolute-form or CONNECT target (they agree); '' when HTTP/1.0 sent none.
   */
  readonly authority: string
  /** Only an absolute-form target names it. */
  readonly scheme: 'http' | 'https' | undefined
  /** Origin-form with the query, `*`, or '' for CONNECT. */
  readonly path: string
  readonly minorVersion: 0 | 1
  /** End-to-end fields, names in lower case. */
  readonly headers: HeaderList
  /** A name in `headers` has an underscore. */
  readonly hasUnderscore: boolean
  /** The value of content-length. */
  readonly bodyLength: number | undefined
  readonly isChunked: boolean
  /** The client will send more requests on this connection. */
  readonly keepAlive: boolean
  /**
   * The protocol that the client asks to switch to, lower case. Never `h2c`: it would tunnel requests past
   * us.
   */
  readonly upgrade: string | undefined
  /** The client waits for a 100 before it sends the body. `expect` stays in `headers`. */
  readonly expectContinue: boolean
  /** The client sent `TE: trailers`. */
  readonly acceptsTrailers: boolean
}

/** A response as a client reads it. */
export interface Http1ResponseHead {
  readonly status: number
  readonly statusText: string
  readonly minorVersion: 0 | 1
  /** End-to-end fields, names in lower case. */
  readonly headers: HeaderList
  /**
   * The length of the body that follows: undefined for the answer to HEAD, whatever its content-length says.
   */
  readonly bodyLength: number | undefined
  readonly isChunked: boolean
  /** The body ends with the connection. */
  readonly isUntilClose: boolean
  /** A body follows, if only an empty one. */
  readonly hasBody: boolean
  /** The connection can carry another exchange after this one. */
  readonly keepAlive: boolean
  readonly keepAliveHint: KeepAliveHint | undefined
  /** The protocol that a 101 switched to, lower case. */
  readonly upgrade: string | undefined
  /** What follows is no HTTP: 101, or 2xx to CONNECT. No onEnd comes. */
  readonly isTunnel: boolean
}
