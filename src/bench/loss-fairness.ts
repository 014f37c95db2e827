import type { LoadRound } from './results/load-measurement.ts'
import type { Conditions, WayConditions } from './url-plan.ts'

/** Ten segments of 1,460 bytes: what a sender may have under way before it has heard of any loss (RFC 6928 2, RFC 9002 7.2). */
const FIRST_WINDOW_BYTES = 14_600

/**
 * [P] Whether two subjects can be compared over an impaired way. Losses slow QUIC down, whose packets the relay drops; of TCP the relay delays bytes and
 * its sender hears of nothing. With bodies that fit into a first window the difference is small; with larger ones it is most of what would be seen.
 */
export function isFair(
  conditions: WayConditions | undefined,
  a: readonly LoadRound[],
  b: readonly LoadRound[],
): boolean {
  if (conditions === undefined || !Object.values(conditions).some(isLossy)) return true
  if (Math.max(meanBytes(a), meanBytes(b)) <= FIRST_WINDOW_BYTES) return true
  const carriers = new Set([...a, ...b].flatMap(transportsOf))
  return carriers.size < 2
}

/** For whoever misses a ratio. */
export function unfairNote(subject: string, to: string): string {
  return `${subject} is not compared with ${to}: losses slow QUIC down, and not TCP over this relay, and these bodies are larger than ${FIRST_WINDOW_BYTES} bytes; a link that drops packets of both can tell`
}

function isLossy({ lossRate = 0, bursts }: Conditions): boolean {
  return lossRate > 0 || (bursts !== undefined && bursts.enterRate > 0)
}

function meanBytes(rounds: readonly LoadRound[]): number {
  const bytes = rounds.reduce((sum, { report }) => sum + report.receivedBytes + report.sentBytes, 0)
  const done = rounds.reduce((sum, { report }) => sum + report.requests - report.failures, 0)
  return done === 0 ? 0 : bytes / done
}

function transportsOf({ report }: LoadRound): readonly string[] {
  return Object.keys(report.byProtocol).map(protocol => (protocol === 'h3' ? 'QUIC' : 'TCP'))
}
