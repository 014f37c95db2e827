import type { ErrorCode } from './error-codes.ts'

/** The peer broke a rule that ends the connection (RFC 9113 5.4.1). Thrown inside http2/ only; the session turns it into a GOAWAY. */
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

/** The peer broke a rule that ends one stream (RFC 9113 5.4.2). Thrown inside http2/ only; the session turns it into an RST_STREAM. */
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
