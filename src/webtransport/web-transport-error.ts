import type { ErrorCode } from '../base/error-codes.ts'
import { TransportError } from '../base/errors.ts'

export interface WebTransportErrorOptions {
  /** Default `session`. */
  readonly source?: 'session' | 'stream'
  readonly streamErrorCode?: number | undefined
  readonly cause?: unknown
}

/**
 * A failure of a session of WebTransport, or of one of its streams: as browsers have it, with our code.
 *
 * @example
 * ```ts
 * const reason = new WebTransportError('MM_ABORTED', 'not wanted', { source: 'stream', streamErrorCode: 42 })
 * console.log(reason.source, reason.streamErrorCode)
 * ```
 */
export class WebTransportError extends TransportError {
  readonly source: 'session' | 'stream'
  /** What the peer reset or stopped the stream with, or what is to be said to it. Null: there is none. */
  readonly streamErrorCode: number | null

  constructor(code: ErrorCode, message: string, options: WebTransportErrorOptions = {}) {
    super(code, message, { cause: options.cause, processed: 'unknown' })
    this.name = 'WebTransportError'
    this.source = options.source ?? 'session'
    this.streamErrorCode = options.streamErrorCode ?? null
  }
}

/** The code that the reason of an abort or cancel carries to the peer; 0: it carries none. */
export function codeOfReason(reason: unknown): number {
  if (typeof reason !== 'object' || reason === null || !('streamErrorCode' in reason)) return 0
  const { streamErrorCode } = reason
  return typeof streamErrorCode === 'number' && streamErrorCode >= 0
    ? Math.min(streamErrorCode, 0xffff_ffff)
    : 0
}
