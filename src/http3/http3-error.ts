import type { ErrorCode } from './error-codes.ts'

/** The peer broke a rule that ends the connection (RFC 9114 8). Thrown inside http3/ only; the session turns it into CONNECTION_CLOSE. */
export class ConnectionFault extends Error {
  readonly code: ErrorCode
  /** A defence ended it: the name of the limit. */
  readonly limit: string | undefined

  constructor(code: ErrorCode, message: string, limit?: string) {
    super(message)
    this.name = 'ConnectionFault'
    this.code = code
    this.limit = limit
  }
}

/** The peer broke a rule that ends one stream (RFC 9114 8). Thrown inside http3/ only; the session resets the stream. */
export class StreamFault extends Error {
  readonly code: ErrorCode
  /** A limit of ours was exceeded: its name. */
  readonly limit: string | undefined

  constructor(code: ErrorCode, message: string, limit?: string) {
    super(message)
    this.name = 'StreamFault'
    this.code = code
    this.limit = limit
  }
}
