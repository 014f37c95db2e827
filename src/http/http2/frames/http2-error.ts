import { Fault } from '../../multiplex/fault.ts'
import type { ErrorCode } from './error-codes.ts'

/**
 * The peer broke a rule that ends the connection (RFC 9113 5.4.1). Thrown inside http2/ only; the session
 * turns it into a GOAWAY.
 */
export class ConnectionFault extends Fault<ErrorCode> {}

/**
 * The peer broke a rule that ends one stream (RFC 9113 5.4.2). Thrown inside http2/ only; the session turns
 * it into an RST_STREAM.
 */
export class StreamFault extends Fault<ErrorCode> {}
