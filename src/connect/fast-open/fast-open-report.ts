import type { TcpInfo } from '../native/tcp-info.ts'
import type { FastOpenOutcome } from './fast-open-breakers.ts'

/** What became of Fast Open, for people and for HandshakeInfo. */
export interface FastOpenReport {
  readonly outcome: 'used' | 'fallback'
  readonly because: string
  /** The whole first flight went with the SYN, or it is not known how large it was. */
  readonly isSpared: boolean
}

/** The data of a SYN that is to be reported. */
export interface SynFacts {
  /** Undefined: not measured. */
  readonly firstFlightBytes: number | undefined
  readonly family: 4 | 6
  /** What a segment of the connection carries. Undefined: not known. */
  readonly segmentBytes: number | undefined
}

/** Beside the headers and a cookie, where the path carries 1500 bytes. */
const USUAL_SYN_BYTES = { 4: 1420, 6: 1400 } as const
/**
 * The kernel leaves 40 bytes of the MSS to options in a SYN with data, whatever it uses of them; segments
 * later on leave 12 to their timestamps (measured with Linux 6.18).
 */
const SYN_OPTION_BYTES = 40 - 12

const FALLBACKS: Readonly<Record<Exclude<FastOpenOutcome, 'used'>, string>> = {
  'no-cookie': 'the kernel had no cookie for the address, and asked for one',
  'not-taken': 'the peer took the connection, but not the data of the SYN',
  'syn-resent': 'the SYN with data was lost, or something on the way drops it: it was sent again without',
  stuck: 'nothing came until the connect was made without it',
}

export function fastOpenReport(
  outcome: FastOpenOutcome | undefined,
  { firstFlightBytes, family, segmentBytes }: SynFacts,
): FastOpenReport {
  if (outcome === undefined) return fallback('the kernel did not use it')
  if (outcome !== 'used') return fallback(FALLBACKS[outcome])
  if (firstFlightBytes === undefined) return { outcome, because: 'the SYN carried data', isSpared: true }
  const budget = segmentBytes === undefined ? USUAL_SYN_BYTES[family] : segmentBytes - SYN_OPTION_BYTES
  if (firstFlightBytes <= budget)
    return { outcome, because: `the SYN carried ${firstFlightBytes} bytes`, isSpared: true }
  const because = `the SYN carried the beginning of ${firstFlightBytes} bytes: what is beyond ${budget} had to wait for the SYN-ACK, so that no round trip was spared`
  return { outcome, because, isSpared: false }
}

function fallback(because: string): FastOpenReport {
  return { outcome: 'fallback', because, isSpared: false }
}

/** What the kernel reports. `stuck` is for who waited. */
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
