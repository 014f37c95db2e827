import { certificateHint } from '../certificate-hint.ts'
import { harmless, type Screen, type Style } from '../terminal.ts'
import { screenTable } from '../text-table.ts'
import type { FetchedResponse, GetRecord, GetSummary } from './get-record.ts'
import { PHASES, roundedPhases } from './get-record.ts'
import { type MigrationRecord, migrationText } from './tallies.ts'

type Attempt = GetRecord['attempts'][number]

const COLUMNS = [...PHASES, 'total'] as const
/** Columns have fixed widths, since rows are printed as they come; all but URLs fit 80 columns. */
const NUMBER_WIDTH = 6
const HEADS: Readonly<Record<string, string>> = { connect: 'conn' }
const BYTES_WIDTH = 9
const CONNECTION_WIDTH = 17
const ROW_WIDTH = 'status'.length + BYTES_WIDTH + CONNECTION_WIDTH + 2 + COLUMNS.length * NUMBER_WIDTH
/** Of a phase in the diagram of one request. */
const BAR_WIDTH = 10
/** What is shown of a millisecond. */
const UNIT_MS = 0.1

/** What `get` shows to people. */
export class GetText {
  readonly #screen: Screen
  /** Rows name their URL where there are several: beneath them, where a terminal has no place behind them. */
  readonly #urlPlace: 'behind' | 'beneath' | undefined

  constructor(screen: Screen, urls: readonly string[]) {
    this.#screen = screen
    if (urls.length < 2) return
    const widest = ROW_WIDTH + 2 + Math.max(...urls.map(({ length }) => length))
    this.#urlPlace = screen.isTerminal && widest > screen.columns ? 'beneath' : 'behind'
  }

  tableHead(): string {
    const cells = ['status', 'bytes'.padStart(BYTES_WIDTH), 'connection'.padEnd(CONNECTION_WIDTH)]
    const phases = COLUMNS.map(column => (HEADS[column] ?? column).padStart(NUMBER_WIDTH)).join('')
    return `${this.#paint('bold', `${cells.join(' ')}${phases}${this.#urlPlace === 'behind' ? '  url' : ''}`)}\n`
  }

  /** One request among several. Times are in ms. */
  line(record: GetRecord): string {
    const { bytes, url, error } = record
    const cells = [
      this.#status(record),
      String(bytes).padStart(BYTES_WIDTH),
      connectionText(record).padEnd(CONNECTION_WIDTH),
    ]
    const timings = roundedPhases(record.timingsMs, UNIT_MS)
    const numbers = COLUMNS.map(column => shortMs(timings[column]).padStart(NUMBER_WIDTH)).join('')
    const urlText = this.#urlPlace === 'behind' ? `  ${url}` : ''
    const notes = [
      ...(this.#urlPlace === 'beneath' ? [url] : []),
      ...(error === undefined ? [] : [this.#paint('red', `${error.code}: ${harmless(error.message)}`)]),
      ...raceNotes(record),
      ...shortcutRows(record).map(([name, text]) => `${name}: ${text}`),
    ]
    return `${cells.join(' ')}${numbers}${urlText}\n${screenTable(
      notes.map(note => ['', note]),
      this.#screen,
    )}`
  }

  /** The only request, in full. */
  block(record: GetRecord): string {
    const { url, status, bytes, sha256, remoteAddress, error } = record
    const rows = [['url', url]]
    if (error !== undefined) {
      rows.push(['error', this.#paint('red', `${error.code}: ${harmless(error.message)}`)])
      rows.push([
        '',
        `fault: ${error.fault}, processed: ${error.processed}, retryable: ${error.retryable ? 'yes' : 'no'}, ` +
          `resendable: ${error.resendable ? 'yes' : 'no'}`,
      ])
      rows.push(['hint', certificateHint(error) ?? error.hint])
    }
    if (status !== 0)
      rows.push(['status', this.#paint(styleOf(status), String(status))], ['size', `${bytes} bytes`])
    if (sha256 !== null) rows.push(['sha256', sha256])
    if (record.protocol !== null)
      rows.push(['connection', `${connectionText(record)}, ${remoteAddress ?? ''}`])
    rows.push(...shortcutRows(record))
    for (const { status } of record.informational) rows.push(['informational', String(status)])
    for (const [name, value] of Object.entries(record.trailers))
      rows.push(['trailer', harmless(`${name}: ${String(value)}`)])
    for (const attempt of record.reused ? [] : record.attempts) rows.push(['attempt', attemptText(attempt)])
    // No phase is known of a request without a response: all of its time would seem to be spent in the queue.
    if (status === 0) rows.push(['time', `${shortMs(record.timingsMs.total)} ms until it failed`])
    const table = screenTable(rows, this.#screen)
    return status === 0 ? table : `${table}\n${this.#diagram(record)}`
  }

  /** What many requests come to. */
  totals(summary: GetSummary, totalsMs: readonly number[]): string {
    const { requests, failed, newConnections, backgroundConnections, reuseRate, handshakes, byProtocol } =
      summary
    const background = backgroundConnections === 0 ? '' : `, ${backgroundConnections} in the background`
    const protocols = Object.entries(byProtocol).map(([protocol, count]) => `${protocol} ${count}`)
    const kinds = Object.entries(handshakes).filter(([, count]) => count > 0)
    const failures = `${failed} failed`
    const rows = [
      ['requests', `${requests}, ${failed > 0 ? this.#paint('red', failures) : failures}`],
      ['protocols', protocols.join(', ')],
      [
        'connections',
        `${newConnections} new, ${(reuseRate * 100).toFixed(1)} % of the requests found one${background}`,
      ],
      ['handshakes', kinds.map(([kind, count]) => `${kind} ${count}`).join(', ')],
    ]
    if (totalsMs.length > 0) rows.push(['total', percentilesText(totalsMs)])
    return `\n${screenTable(rows, this.#screen)}`
  }

  /**
   * What connections did meanwhile: behind everything else, since a move belongs to all requests on its
   * connection.
   */
  migrations(migrations: readonly MigrationRecord[]): string {
    const rows = migrations.map(migration => ['migration', migrationText(migration)])
    return `\n${screenTable(rows, this.#screen)}`
  }

  /** The phases one behind the other, and beneath each when it was over: after httpstat (Xiao Meng, 2016). */
  #diagram({ timingsMs }: GetRecord): string {
    const timings = roundedPhases(timingsMs, UNIT_MS)
    const names = PHASES.map(phase => this.#paint('bold', centered(phase)))
    const bars = PHASES.map(phase => this.#paint('cyan', centered(`${shortMs(timings[phase])} ms`)))
    let end = 0
    const ends = PHASES.map(phase => {
      end += timings[phase]
      return shortMs(end).padStart(BAR_WIDTH + 1)
    })
    const ticks = PHASES.map(() => '|'.padStart(BAR_WIDTH + 1)).join('')
    return [
      ` ${names.join(' ')}`.trimEnd(),
      `[${bars.join('|')}]`,
      ` ${ticks}`,
      ` ${ends.join('')} ms in all`,
      '',
    ].join('\n')
  }

  #status({ status }: GetRecord): string {
    return status === 0
      ? this.#paint('red', 'failed')
      : this.#paint(styleOf(status), String(status).padEnd(6))
  }

  #paint(style: Style, text: string): string {
    return this.#screen.paint(style, text)
  }
}

/** The head as HTTP/1.1 would have it, whatever carried it. */
export function headText({ status, statusText, headers, info }: FetchedResponse, screen: Screen): string {
  const version = { 'http/1.1': 'HTTP/1.1', h2: 'HTTP/2', h3: 'HTTP/3' }[info.protocol]
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map(one => `${screen.paint('cyan', harmless(name))}: ${harmless(one)}`),
  )
  const status_ = screen.paint(
    styleOf(status),
    `${status}${statusText === '' ? '' : ` ${harmless(statusText)}`}`,
  )
  return [`${version} ${status_}`, ...lines, ''].join('\n')
}

/** The beginning of a body, if it is text. */
export function bodyText(preview: Buffer, bytes: number): string {
  const text = textOf(preview)
  if (text === undefined) return `(${bytes} bytes that are no text: --output FILE keeps them)\n`
  const rest = bytes - preview.length
  const lines = text
    .replaceAll(/\r\n/g, '\n')
    .split('\n')
    .map(line => line.split('\t').map(harmless).join('\t'))
  const shown = lines.join('\n')
  return `${shown}${shown.endsWith('\n') || shown === '' ? '' : '\n'}${rest > 0 ? `(and ${rest} bytes more: --output FILE keeps all)\n` : ''}`
}

/** Undefined where it is no UTF-8; a character that the end of the preview cuts is left out. */
function textOf(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

function styleOf(status: number): Style {
  return status < 400 ? 'green' : status < 500 ? 'yellow' : 'red'
}

function centered(text: string): string {
  const left = Math.floor((BAR_WIDTH - text.length) / 2)
  return `${' '.repeat(Math.max(0, left))}${text}`.padEnd(BAR_WIDTH)
}

/** Five characters up to 100 s. */
function shortMs(ms: number): string {
  return ms < 1000 ? ms.toFixed(1) : ms.toFixed(0)
}

/**
 * Beneath a request of several: only what says more than the line itself, a race or a way around a failure.
 */
function raceNotes({ reused, attempts }: GetRecord): string[] {
  return reused || attempts.length < 2 ? [] : attempts.map(attemptText)
}

/** What was to save round trips, and what became of it. */
function shortcutRows({ tfo, tfoBecause, earlyData }: GetRecord): [name: string, text: string][] {
  const rows: [string, string][] = []
  const because = tfoBecause === undefined ? '' : ` — because ${tfoBecause}`
  if (tfo !== 'off') rows.push(['fast open', `${tfo}${because}`])
  if (earlyData !== 'none') rows.push(['early data', earlyData])
  return rows
}

/** `h3 127.0.0.1:443 after 0 ms: failed (refused) — because the record says so`. */
function attemptText({ protocol, endpoint, startedAtMs, outcome, because, error }: Attempt): string {
  const why = error === undefined ? '' : ` (${error})`
  return `${protocol} ${endpoint} after ${Number(startedAtMs.toFixed(1))} ms: ${outcome}${why} — because ${because}`
}

function percentilesText(values: readonly number[]): string {
  const sorted = Float64Array.from(values).sort()
  const shares = [0.5, 0.9, 0.99] as const
  const parts = shares.map(share => `p${share * 100} ${percentile(sorted, share).toFixed(1)}`)
  return [
    `min ${percentile(sorted, 0).toFixed(1)}`,
    ...parts,
    `max ${percentile(sorted, 1).toFixed(1)} ms`,
  ].join('  ')
}

/** Nearest rank: a value that did occur. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

function connectionText({ protocol, connectionId, reused, resumed }: GetRecord): string {
  if (protocol === null) return '-'
  const how = reused ? 'reused' : resumed ? 'resumed' : 'new'
  return `${protocol}#${connectionId ?? '?'} ${how}`
}
