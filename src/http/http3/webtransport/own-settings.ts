import type { Http3Options } from '../../../base/options/protocol-options.ts'
import type { WebTransportSettings } from '../frames/settings.ts'

/**
 * What the peer may do on a session before we say more. What it makes us hold is bounded by the windows of
 * QUIC; these bounds are for drafts that allow several sessions on a connection only where there are some.
 */
const LIMITS = { maxData: 67_108_864, maxBidirectional: 1024, maxUnidirectional: 1024 }

/** What our SETTINGS say, in either role: the names of all drafts, since peers look for the one they know. */
export function offeredWebTransport({ maxSessions }: Http3Options): WebTransportSettings {
  return { drafts: ['draft-02', 'draft-07', 'draft-13', 'draft-15'], maxSessions, limits: LIMITS }
}
