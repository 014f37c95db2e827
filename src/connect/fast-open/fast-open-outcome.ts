import type { TcpInfo } from '../native/tcp-info.ts'
import type { FastOpenOutcome } from './fast-open-breakers.ts'

/** What the kernel tells of. `stuck` is for who waited. */
export type SeenFastOpenOutcome = Exclude<FastOpenOutcome, 'stuck'>

/**
 * What became of Fast Open, by what the kernel says any time after the handshake of TCP. Undefined: it was
 * not tried.
 */
export function fastOpenOutcome({
  isSynDataAcked,
  fastOpenFailure,
  retransmittedSegments,
  retransmittedBytes,
}: TcpInfo): SeenFastOpenOutcome | undefined {
  if (isSynDataAcked) return 'used'
  if (fastOpenFailure === 2) return 'not-taken'
  if (fastOpenFailure === 3) return 'syn-resent'
  if (fastOpenFailure === 0) return undefined
  // Something may drop the SYNs that ask for a cookie: then each connect waits for the second SYN, a second
  // each time, and the kernel blames the lack of a cookie. What was sent again and had no bytes was the SYN.
  return retransmittedSegments > 0 && retransmittedBytes === 0 ? 'syn-resent' : 'no-cookie'
}
