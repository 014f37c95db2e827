import { Fault } from '../../multiplex/fault.ts'
import type { ErrorCode } from './error-codes.ts'

/**
 * The peer broke a rule that ends the connection (RFC 9114 8). Thrown inside http3/ only; the session turns
 * it into CONNECTION_CLOSE.
 */
export class ConnectionFault extends Fault<ErrorCode> {}

/**
 * The peer broke a rule that ends one stream (RFC 9114 8). Thrown inside http3/ only; the session resets the
 * stream.
 */
export class StreamFault extends Fault<ErrorCode> {}
