import type { LoadRound } from './results/load-measurement.ts'
import type { Conditions, PathConditions } from './url-plan.ts'

/**
 * Ten segments of 1,460 bytes: what a sender may have under way before anything is acknowledged (RFC 6928 2,
 * RFC 9002 7.2).
 */
const FIRST_WINDOW_BYTES = 14_600

type Rounds = ReadonlyMap<string, readonly LoadRound[]>

/** With whom a subject is to be compared. */
type Opponents = (subject: string) => readonly string[]

/**
 * Those of a subject's opponents that it is fair to compare it with. Relays pass QUIC's packets on, and
 * end TCP: its two halves are local ones, whose senders notice no loss and no delay. Undefined
 * `conditions`: there are no relays.
 */
export function fairOpponents(
  conditions: PathConditions | undefined,
  rounds: Rounds,
  opponents: Opponents,
): Opponents {
  return subject => opponents(subject).filter(to => whyUnfair(conditions, rounds, subject, to) === undefined)
}

/** A line for each pair that is left out by that, for whoever misses it. */
export function unfairNotes(
  conditions: PathConditions | undefined,
  rounds: Rounds,
  opponents: Opponents,
): readonly string[] {
  const notes = new Map<string, string>()
  for (const subject of rounds.keys()) {
    for (const to of opponents(subject)) {
      const because = whyUnfair(conditions, rounds, subject, to)
      const pair = [subject, to].sort().join('\n')
      if (because === undefined || to === subject || notes.has(pair)) continue
      notes.set(
        pair,
        `${subject} is not compared with ${to}: ${because}; a link that impairs packets of both can tell`,
      )
    }
  }
  return [...notes.values()]
}

function whyUnfair(
  conditions: PathConditions | undefined,
  rounds: Rounds,
  subject: string,
  to: string,
): string | undefined {
  const both = [rounds.get(subject) ?? [], rounds.get(to) ?? []]
  const ways = Object.values(conditions ?? {})
  // 1. What goes over the same transport meets the same relay.
  if (new Set(both.flat().flatMap(transportsOf)).size < 2) return undefined
  // 2. What was overtaken looks lost to QUIC, however little is sent.
  if (ways.some(isReordered)) return 'packets of QUIC are reordered, and bytes of TCP are not over this relay'
  // 3. What fits into a first window takes the round trips that both have.
  if (Math.max(...both.map(meanBytes)) <= FIRST_WINDOW_BYTES) return undefined
  const larger = `these bodies are larger than ${FIRST_WINDOW_BYTES} bytes`
  // 4. Losses, a full queue's among them, slow QUIC down for good; of TCP bytes are held back, and no more.
  if (ways.some(isLossy)) return `losses slow QUIC down, and not TCP over this relay, and ${larger}`
  // 5. QUIC opens its window by the round trips of the whole path, TCP by those of its local halves.
  if (ways.some(isDelayed))
    return `QUIC has a slow start over the delay, and TCP has none over this relay, and ${larger}`
  return undefined
}

function isReordered({ reorderRate = 0 }: Conditions): boolean {
  return reorderRate > 0
}

function isLossy({ lossRate = 0, bursts, bytesPerSecond }: Conditions): boolean {
  return lossRate > 0 || (bursts !== undefined && bursts.enterRate > 0) || bytesPerSecond !== undefined
}

function isDelayed({ delayMs = 0, jitterMs = 0 }: Conditions): boolean {
  return delayMs > 0 || jitterMs > 0
}

function meanBytes(rounds: readonly LoadRound[]): number {
  const bytes = rounds.reduce((sum, { report }) => sum + report.receivedBytes + report.sentBytes, 0)
  const done = rounds.reduce((sum, { report }) => sum + report.requests - report.failures, 0)
  return done === 0 ? 0 : bytes / done
}

function transportsOf({ report }: LoadRound): readonly string[] {
  return Object.keys(report.byProtocol).map(protocol => (protocol === 'h3' ? 'QUIC' : 'TCP'))
}
