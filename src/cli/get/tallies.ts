import {
  type Connection,
  formatPathEnd,
  type HandshakeInfo,
  type MigrationCause,
  type MigrationOutcome,
} from '../../entry/events.ts'
import type { Observer } from '../../index.ts'

/** Counts the connections that were made, by what their handshakes turned out to be. */
export class ConnectionTally {
  readonly #counts: Record<HandshakeInfo['kind'], number> = { none: 0, full: 0, resumed: 0, early_data: 0 }
  /** In early data: whether the peer takes it is still open. */
  readonly #open = new Set<Connection>()

  /** For the transport. */
  readonly observe: Observer = event => {
    if (event.type === 'connection-opened') {
      const { kind, earlyData } = event.connection.handshake
      if (kind === 'early_data' && earlyData === 'none') this.#open.add(event.connection)
      else this.#counts[kind]++
    } else if (event.type === 'early-data' || event.type === 'connection-closed') {
      if (this.#open.delete(event.connection)) this.#counts[event.connection.handshake.kind]++
    }
  }

  get handshakes(): Readonly<Record<HandshakeInfo['kind'], number>> {
    const counts = { ...this.#counts }
    for (const { handshake } of this.#open) counts[handshake.kind]++
    return counts
  }

  get newConnections(): number {
    const { none, full, resumed, early_data } = this.handshakes
    return none + full + resumed + early_data
  }
}

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
