import type { GetRecord, GetSummary } from './get-record.ts'
import { migrationLines, recordBlock, recordLine, TABLE_HEAD, totalsText } from './get-text.ts'
import type { ConnectionTally, MigrationRecord } from './tallies.ts'

export interface GetReportOptions {
  json: boolean
  /** How many records there will be. */
  total: number
  write: (text: string) => void
}

/** Above this only failures get a line; the summary reports the rest. */
const MAX_TABLE_ROWS = 20

/**
 * Prints records as they come and a summary at the end, as JSON lines or for people. Keeps numbers only,
 * whatever their count.
 */
export class GetReport {
  readonly #options: GetReportOptions
  readonly #totalsMs: number[] = []
  readonly #byProtocol: Record<string, number> = {}
  #requests = 0
  #newConnections = 0
  failed = 0

  constructor(options: GetReportOptions) {
    this.#options = options
  }

  add(record: GetRecord): void {
    this.#requests++
    if (record.error === undefined) this.#totalsMs.push(record.timingsMs.total)
    else this.failed++
    if (!record.reused && record.connectionId !== null) this.#newConnections++
    if (record.protocol !== null)
      this.#byProtocol[record.protocol] = (this.#byProtocol[record.protocol] ?? 0) + 1
    this.#print(record)
  }

  finish(tally: ConnectionTally, migrations: readonly MigrationRecord[] = []): void {
    const summary = this.#summary(tally, migrations)
    const { json, total, write } = this.#options
    if (json) {
      write(`${JSON.stringify({ summary })}\n`)
      return
    }
    if (total > 1) write(totalsText(summary, this.#totalsMs))
    if (migrations.length > 0) write(migrationLines(migrations))
  }

  #print(record: GetRecord): void {
    const { json, total, write } = this.#options
    if (json) write(`${JSON.stringify(record)}\n`)
    else if (total === 1) write(recordBlock(record))
    else {
      const isShown = total <= MAX_TABLE_ROWS
      if (isShown && this.#requests === 1) write(TABLE_HEAD)
      if (isShown || record.error !== undefined) write(recordLine(record))
    }
  }

  #summary(tally: ConnectionTally, migrations: readonly MigrationRecord[]): GetSummary {
    const { none, full, resumed, early_data: earlyData } = tally.handshakes
    const reuseRate = this.#requests === 0 ? 0 : 1 - this.#newConnections / this.#requests
    return {
      requests: this.#requests,
      failed: this.failed,
      newConnections: this.#newConnections,
      backgroundConnections: Math.max(0, tally.newConnections - this.#newConnections),
      reuseRate: Math.round(reuseRate * 1e6) / 1e6,
      handshakes: { full, resumed, earlyData, none },
      byProtocol: this.#byProtocol,
      migrations,
    }
  }
}
