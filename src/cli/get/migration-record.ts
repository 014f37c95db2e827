import { formatPathEnd, type MigrationCause, type MigrationOutcome } from '../../entry/events.ts'
import type { Observer } from '../../index.ts'

/** A connection that moved to another path, or was to: `migrations` in the summary of `get --json`. */
export interface MigrationRecord {
  connectionId: number
  cause: MigrationCause
  outcome: MigrationOutcome
  /** `address:port` on this machine. */
  from: string
  to: string | null
  /** The longest silence in the streams of the connection meanwhile; null: nobody waited for anything. */
  gapMs: number | null
  because: string
}

/** Of a run that moves all the time the last ones are kept. */
const MAX_RECORDS = 100

/** Keeps what became of connections that moved. */
export class MigrationTally {
  #records: readonly MigrationRecord[] = []

  /** For the transport. */
  readonly observe: Observer = event => {
    if (event.type !== 'migration') return
    const { cause, outcome, from, to, gapMs, because } = event.report
    const record = {
      connectionId: event.connection.id,
      cause,
      outcome,
      from: formatPathEnd(from),
      to: to === undefined ? null : formatPathEnd(to),
      gapMs: gapMs === undefined ? null : Math.round(gapMs * 1000) / 1000,
      because,
    }
    this.#records = [...this.#records, record].slice(-MAX_RECORDS)
  }

  /** The oldest first. */
  get records(): readonly MigrationRecord[] {
    return this.#records
  }
}

/** `h3#1 moved from 127.0.0.1:5000 to 127.0.0.1:5001 (forced), gap 12.3 ms — because it was asked for`. */
export function migrationText({
  connectionId,
  cause,
  outcome,
  from,
  to,
  gapMs,
  because,
}: MigrationRecord): string {
  const gap = gapMs === null ? '' : `, gap ${gapMs.toFixed(1)} ms`
  const what =
    outcome === 'moved' && to !== null
      ? `moved from ${from} to ${to} (${cause})${gap}`
      : `did not move from ${from} (${cause}), ${outcome}`
  return `h3#${connectionId} ${what} — because ${because}`
}
