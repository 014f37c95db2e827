import type { QuicEnd } from '../../../quic/engine.ts'
import type { SessionEnd } from '../../multiplex/client-session.ts'
import { errorCodeOf } from './error-codes.ts'

/** Why the QUIC connection under a session has ended, in the session's words. */
export function quicFailure(end: QuicEnd): SessionEnd {
  const { cause, isApplication, code, reason } = end
  const name = isApplication ? errorCodeOf(code) : `QUIC error ${code}`
  const because = reason === '' ? '' : `: ${reason}`
  if (cause === 'idle') return gone('idle', 'nothing came from the peer within the idle timeout')
  if (cause === 'reset')
    return gone('network', 'the peer does not know the connection any more (stateless reset)')
  if (cause === 'unusable' || cause === 'version')
    return gone('network', `the connection cannot go on${because}`)
  const isError = isApplication ? name !== 'H3_NO_ERROR' : code !== 0
  const what = cause === 'peer' ? 'the peer closed the connection' : 'refused what the peer sent'
  return { code: name, isError, cause: 'peer', message: `${what} (${name})${because}` }
}

function gone(cause: 'network' | 'idle', message: string): SessionEnd {
  return { code: 'H3_NO_ERROR', isError: false, cause, message }
}
