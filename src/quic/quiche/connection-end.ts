import type { QuicEnd } from '../engine.ts'
import type { NativeConnection, NativeConnectionError } from './binding.ts'

const MAX_REASON_LENGTH = 200

/**
 * Why a connection that is closed or draining is so, in the order in which quiche's answers mean something.
 */
export function connectionEnd(
  native: Pick<NativeConnection, 'peerError' | 'localError' | 'isTimedOut'>,
): QuicEnd {
  const peer = native.peerError()
  if (peer !== null) return endOf('peer', peer)
  const local = native.localError()
  if (local !== null) return endOf('local', local)
  if (native.isTimedOut()) return { cause: 'idle', isApplication: false, code: 0, reason: 'no answer' }
  // Closed without any of these: quiche saw a stateless reset (RFC 9000 10.3).
  return { cause: 'reset', isApplication: false, code: 0, reason: 'stateless reset' }
}

/** The engine, or the socket below it, cannot go on, or shall not. */
export function brokenEnd(reason: string, cause: 'unusable' | 'idle' | 'version'): QuicEnd {
  return { cause, isApplication: false, code: 0, reason: printable(reason) }
}

function endOf(cause: 'peer' | 'local', error: NativeConnectionError): QuicEnd {
  const reason = printable(Buffer.from(error.reason).toString('utf8'))
  return { cause, isApplication: error.isApp, code: error.errorCode, reason }
}

/** A peer's words go into logs and terminals. */
function printable(text: string): string {
  const clean = text.replaceAll(/[^\x20-\x7e]+/g, '?')
  return clean.length > MAX_REASON_LENGTH ? `${clean.slice(0, MAX_REASON_LENGTH)}…` : clean
}

/** What the binding throws: quiche's error by name, some with a number. */
export interface NativeFault {
  readonly name: string
  /**
   * The code of a StreamReset or StreamStopped, the stream of an InvalidStreamState; else 0. Above 2^53 the
   * nearest number.
   */
  readonly code: number
}

/** Codes of QUIC go up to 2^62 - 1. */
const SHAPE = /^([A-Za-z]+)(?:\((\d{1,20})\))?$/
/**
 * The largest number below 2^62: the nearest one to the last codes is 2^62 itself, which no frame can carry
 * if it is sent on.
 */
const MAX_CODE = 2 ** 62 - 512

/** Reads an error of the binding. Anything else has its message as the name. */
export function nativeError(error: unknown): NativeFault {
  const message = error instanceof Error ? error.message : String(error)
  const [, name, code] = SHAPE.exec(message) ?? []
  return name === undefined
    ? { name: message, code: 0 }
    : { name, code: Math.min(Number(code ?? 0), MAX_CODE) }
}
