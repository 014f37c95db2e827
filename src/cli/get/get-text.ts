import { textTable } from '../terminal.ts'
import type { GetRecord, GetSummary } from './get-record.ts'
import { type MigrationRecord, migrationText } from './tallies.ts'

type Attempt = GetRecord['attempts'][number]

const PHASES = ['queue', 'dns', 'connect', 'tls', 'ttfb', 'total'] as const
/** Columns have fixed widths, since rows are printed as they come. */
const NUMBER_WIDTH = 9

export const TABLE_HEAD = `${[
  'status',
  'bytes'.padStart(11),
  'connection'.padEnd(17),
  ...PHASES.map(phase => phase.padStart(NUMBER_WIDTH)),
  '(ms)  url',
].join(' ')}\n`

/** One request among several. */
export function recordLine(record: GetRecord): string {
  const columns = [
    String(record.status === 0 ? 'failed' : record.status).padEnd(6),
    String(record.bytes).padStart(11),
    connectionText(record).padEnd(17),
    ...PHASES.map(phase => record.timingsMs[phase].toFixed(1).padStart(NUMBER_WIDTH)),
    `      ${record.url}`,
  ]
  const error = record.error === undefined ? '' : `  ${record.error.code}: ${record.error.message}`
  return `${columns.join(' ')}${error}\n${raceLines(record)}${shortcutLines(record)}`
}

/**
 * Beneath a request of several: only what says more than the line itself, a race or a way around a failure.
 */
function raceLines({ reused, attempts }: GetRecord): string {
  if (reused || attempts.length < 2) return ''
  return attempts.map(attempt => `  ${attemptText(attempt)}\n`).join('')
}

/** Likewise what was to save round trips, and what became of it. */
function shortcutLines(record: GetRecord): string {
  return shortcutRows(record)
    .map(([name, text]) => `  ${name}: ${text}\n`)
    .join('')
}

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

/** The only request, in full. */
export function recordBlock(record: GetRecord): string {
  const { url, status, bytes, sha256, remoteAddress, error } = record
  const rows = [['url', url]]
  if (error !== undefined) {
    rows.push(['error', `${error.code}: ${error.message}`])
    rows.push([
      '',
      `fault: ${error.fault}, processed: ${error.processed}, retryable: ${error.retryable ? 'yes' : 'no'}, ` +
        `resendable: ${error.resendable ? 'yes' : 'no'}`,
    ])
    rows.push(['hint', error.hint])
  }
  if (status !== 0) rows.push(['status', String(status)], ['size', `${bytes} bytes`])
  if (sha256 !== null) rows.push(['sha256', sha256])
  if (record.protocol !== null) rows.push(['connection', `${connectionText(record)}, ${remoteAddress ?? ''}`])
  rows.push(...shortcutRows(record))
  for (const { status } of record.informational) rows.push(['informational', String(status)])
  for (const [name, value] of Object.entries(record.trailers))
    rows.push(['trailer', `${name}: ${String(value)}`])
  for (const attempt of record.reused ? [] : record.attempts) rows.push(['attempt', attemptText(attempt)])
  const timings = PHASES.map(phase => [` ${phase}`, record.timingsMs[phase].toFixed(1), 'ms'])
  return `${textTable(rows)}\n${textTable(timings, new Set([1]))}`
}

/** What many requests come to. */
export function totalsText(summary: GetSummary, totalsMs: readonly number[]): string {
  const { requests, failed, newConnections, backgroundConnections, reuseRate, handshakes, byProtocol } =
    summary
  const protocols = Object.entries(byProtocol).map(([protocol, count]) => `${protocol} ${count}`)
  const kinds = Object.entries(handshakes).filter(([, count]) => count > 0)
  const background = backgroundConnections === 0 ? '' : `, ${backgroundConnections} in the background`
  const rows = [
    ['requests', `${requests}, ${failed} failed`],
    ['protocols', protocols.join(', ')],
    [
      'connections',
      `${newConnections} new, ${(reuseRate * 100).toFixed(1)} % of the requests found one${background}`,
    ],
    ['handshakes', kinds.map(([kind, count]) => `${kind} ${count}`).join(', ')],
  ]
  if (totalsMs.length > 0) rows.push(['total', percentilesText(totalsMs)])
  return `\n${textTable(rows)}`
}

/**
 * What connections did meanwhile: behind everything else, since a move belongs to all requests on its
 * connection.
 */
export function migrationLines(migrations: readonly MigrationRecord[]): string {
  return `\n${textTable(migrations.map(migration => ['migration', migrationText(migration)]))}`
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
