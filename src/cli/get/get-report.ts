import { certificateHint } from '../certificate-hint.ts'
import type { Screen } from '../terminal.ts'
import {
  type Fetched,
  type FetchedResponse,
  type GetRecord,
  type GetSummary,
  getRecord,
} from './get-record.ts'
import { bodyText, GetText, headText } from './get-text.ts'
import type { ConnectionTally, MigrationRecord } from './tallies.ts'

export interface GetReportOptions {
  readonly format: 'text' | 'json'
  /** Shows the head of each response: `-i`. */
  readonly showsHead: boolean
  /** The URLs, each once. */
  readonly urls: readonly string[]
  /** How many requests there will be. */
  readonly total: number
  readonly screen: Screen
  readonly write: (text: string) => void
}

/** Above this only failures get a line; the summary reports the rest. */
const MAX_TABLE_ROWS = 20

/**
 * Prints what became of each request as it ends and a summary at the end, as JSON lines or for people. Keeps
 * numbers only, whatever their count.
 */
export class GetReport {
  readonly #options: GetReportOptions
  readonly #text: GetText
  readonly #totalsMs: number[] = []
  readonly #byProtocol: Record<string, number> = {}
  #requests = 0
  #newConnections = 0
  failed = 0
  /** What to do about certificates that were not accepted, where the requests do not say it. */
  readonly hints = new Set<string>()
  /** The connection that is called 1. */
  firstConnection = 1

  constructor(options: GetReportOptions) {
    this.#options = options
    this.#text = new GetText(options.screen, options.urls)
  }

  add(fetched: Fetched): void {
    const record = getRecord(fetched, this.#options.showsHead, this.firstConnection)
    const { error, protocol, timingsMs } = record
    this.#requests++
    const hint = error && certificateHint(error)
    if (hint !== undefined && !this.#isOne) this.hints.add(hint)
    if (error === undefined) this.#totalsMs.push(timingsMs.total)
    else this.failed++
    if (!record.reused && record.connectionId !== null) this.#newConnections++
    if (protocol !== null) this.#byProtocol[protocol] = (this.#byProtocol[protocol] ?? 0) + 1
    this.#print(record, fetched.response)
  }

  finish(tally: ConnectionTally, moves: readonly MigrationRecord[] = []): void {
    const migrations = moves.map(move => ({
      ...move,
      connectionId: move.connectionId - this.firstConnection + 1,
    }))
    const summary = this.#summary(tally, migrations)
    const { format, total, write } = this.#options
    if (format === 'json') {
      write(`${JSON.stringify({ summary })}\n`)
      return
    }
    if (total > 1) write(this.#text.totals(summary, this.#totalsMs))
    if (migrations.length > 0) write(this.#text.migrations(migrations))
  }

  /** The only request gets a block of its own, in which everything stands. */
  get #isOne(): boolean {
    return this.#options.total === 1 && this.#options.format === 'text'
  }

  #print(record: GetRecord, response: FetchedResponse | undefined): void {
    const { format, total, write, showsHead, screen } = this.#options
    if (format === 'json') {
      write(`${JSON.stringify(record)}\n`)
      return
    }
    if (response !== undefined) {
      if (showsHead) write(`${headText(response, screen)}\n`)
      if (response.preview !== undefined) write(`${bodyText(response.preview, response.bytes)}\n`)
    }
    if (this.#isOne) write(this.#text.block(record))
    else {
      const isShown = total <= MAX_TABLE_ROWS
      if (isShown && this.#requests === 1) write(this.#text.tableHead())
      if (isShown || record.error !== undefined) write(this.#text.line(record))
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
