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
