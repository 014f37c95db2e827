import type { LoadRound } from './load-measurement.ts'

type Counts = Readonly<Record<string, number>>

/**
 * What no column says of a subject: what failed and why, which rounds ended before their time, who carried
 * its requests.
 */
export function loadNotes(subject: string, rounds: readonly LoadRound[]): string[] {
  const reports = rounds.map(({ report }) => report)
  const notes: string[] = []
  const failures = sum(reports.map(report => report.failures))
  if (failures > 0) {
    const byCode = listed(added(reports.map(report => report.failuresByCode)))
    const first = reports.find(({ firstFailure }) => firstFailure !== undefined)?.firstFailure
    notes.push(
      `${failures} of ${sum(reports.map(report => report.requests))} failed: ${byCode}${first === undefined ? '' : `; the first: ${first}`}`,
    )
  }
  for (const [round, { stoppedBecause }] of reports.entries()) {
    if (stoppedBecause !== undefined)
      notes.push(`round ${round + 1} ended before its time: ${stoppedBecause}`)
  }
  const protocols = added(reports.map(report => report.byProtocol))
  if (Object.keys(protocols).length > 1) notes.push(`carried by ${listed(protocols)}`)
  const above = sum(reports.map(({ latency }) => latency.aboveMaximum ?? 0))
  if (above > 0) notes.push(`${above} took longer than an hour and are counted as an hour`)
  return notes.map(note => `${subject}: ${note}`)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function added(all: readonly Counts[]): Counts {
  const total: Record<string, number> = {}
  for (const [name, count] of all.flatMap(Object.entries<number>)) total[name] = (total[name] ?? 0) + count
  return total
}

/** The most frequent first. */
function listed(counts: Counts): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
