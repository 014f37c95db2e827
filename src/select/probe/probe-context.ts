import type { Origin } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { ProbeTools } from './probe-tools.ts'
import type { ProbeTurns } from './probe-turns.ts'

/** What each look of a probe needs. */
export interface ProbeContext {
  readonly tools: ProbeTools
  readonly turns: ProbeTurns
  readonly origin: Origin
  readonly allowed: readonly Protocol[]
}

// Why nobody looked.
export const CLEARTEXT = 'the origin is http: there is no TLS, and no QUIC'
export const UNREACHED = 'none of its addresses took a TCP connection'
export const FORBIDDEN = 'not allowed by the configuration'
export const NO_HANDSHAKE = 'no TLS handshake was completed'

export function skip(skipped: string): Promise<{ readonly skipped: string }> {
  return Promise.resolve({ skipped })
}
