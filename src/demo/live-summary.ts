import { screenOf } from '../cli/terminal.ts'
import { screenText } from '../cli/text-table.ts'
import type { Protocol, TransportStats } from '../index.ts'

/** What the summary is made of, added up over the pools. */
export interface Summary {
  readonly requests: number
  /** Those among them that never had a connection. */
  readonly unconnected: number
  /** Open ones. */
  readonly connections: number
  readonly opened: number
  readonly handshakeSecondsSaved: number
  /** Open connections by what they speak. */
  readonly protocols: Readonly<Partial<Record<Protocol, number>>>
}

export function summarize(stats: TransportStats, unconnected: number): Summary {
  let requests = unconnected
  let connections = 0
  let opened = 0
  let handshakeSecondsSaved = 0
  const protocols: Partial<Record<Protocol, number>> = {}
  for (const pool of stats.pools) {
    requests += pool.requests
    opened += pool.opened.full + pool.opened.resumed + pool.opened.earlyData + pool.opened.cleartext
    handshakeSecondsSaved += pool.handshakeSecondsSaved
    for (const [name, { idle, leased, draining }] of Object.entries(pool.byProtocol)) {
      const protocol = name as Protocol // a key of ProtocolCounts, which Object.entries widens
      const open = idle + leased + draining
      connections += open
      protocols[protocol] = (protocols[protocol] ?? 0) + open
    }
  }
  return { requests, unconnected, connections, opened, handshakeSecondsSaved, protocols }
}

/**
 * One line of at most `columns`: requests, connections and what they speak, reuse rate, handshake time saved.
 * `sinceMs` ago things stood as in `before`. What does not fit is left out: first what connections speak,
 * then what is said of them at all, the rate of reuse, and what was saved.
 */
export function summaryLine(now: Summary, before: Summary, sinceMs: number, columns: number): string {
  const perSecond = sinceMs > 0 ? ((now.requests - before.requests) * 1000) / sinceMs : 0
  const carried = now.requests - now.unconnected
  const reuse = carried === 0 ? '-' : `${((1 - now.opened / carried) * 100).toFixed(1)} %`
  const spoken = Object.entries(now.protocols)
    .filter(([, count]) => count > 0)
    .map(([protocol, count]) => `${count} ${protocol}`)
  const failed = now.unconnected === 0 ? '' : `, ${now.unconnected} without a connection`
  const requests = `${now.requests} ${now.requests === 1 ? 'request' : 'requests'} (${perSecond.toFixed(0)}/s)${failed}`
  const connections = `${now.connections} of ${now.opened} connections open`
  const saved = `saved ${seconds(now.handshakeSecondsSaved)} of handshakes`
  const candidates = [
    [
      requests,
      spoken.length > 0 ? `${connections}: ${spoken.join(', ')}` : connections,
      `reuse ${reuse}`,
      saved,
    ],
    [requests, connections, `reuse ${reuse}`, saved],
    [requests, `reuse ${reuse}`, saved],
    [requests, saved],
    [requests],
  ].map(parts => parts.join(' | '))
  return candidates.find(line => line.length <= columns) ?? (candidates.at(-1) ?? '').slice(0, columns)
}

function seconds(value: number): string {
  return value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(1)} s`
}

/** Where the summary goes: process.stdout. */
export interface SummaryOutput {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
  on?(event: 'resize', listener: () => void): unknown
}

const EVERY_MS = 1_000
/** Without a terminal: at most this often, and only when something changed. */
const LOG_EVERY_MS = 5_000

/**
 * Shows how the connector is doing: one line, rewritten every second and when the window gets another size,
 * on a terminal; else a line every few seconds.
 */
export class LiveSummary {
  readonly #output: SummaryOutput
  readonly #read: () => Summary
  readonly #timer: NodeJS.Timeout
  #before: Summary
  #ticks = 0
  /** The line that stands there. */
  #shown = ''

  constructor(output: SummaryOutput, read: () => Summary) {
    this.#output = output
    this.#read = read
    this.#before = read()
    const everyMs = output.isTTY === true ? EVERY_MS : LOG_EVERY_MS
    this.#timer = setInterval(() => this.tick(everyMs), everyMs)
    if (output.isTTY !== true) return
    output.on?.('resize', () => {
      if (this.#shown !== '') this.#show(this.#read(), 0)
    })
    this.tick(0)
  }

  /** `sinceMs` have passed since the last call. */
  tick(sinceMs: number): void {
    const now = this.#read()
    const hasChanged =
      this.#ticks++ === 0 ||
      now.requests !== this.#before.requests ||
      now.connections !== this.#before.connections
    if (this.#output.isTTY === true) this.#show(now, sinceMs)
    else if (hasChanged) this.#output.write(`${summaryLine(now, this.#before, sinceMs, 120)}\n`)
    this.#before = now
  }

  /** Lines of their own, above the summary. */
  say(text: string): void {
    this.#output.write(`${this.#erase()}${screenText(text, screenOf(this.#output))}\n`)
    this.#shown = ''
    if (this.#output.isTTY === true) this.tick(0)
  }

  /** Leaves the last line where it is. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#shown !== '') this.#output.write('\n')
    this.#shown = ''
  }

  #show(now: Summary, sinceMs: number): void {
    const erase = this.#erase()
    // The last column stays free: some terminals begin a new line when it is filled.
    this.#shown = summaryLine(now, this.#before, sinceMs, this.#columns() - 1)
    this.#output.write(`${erase}${this.#shown}`)
  }

  /** A window that became narrower has wrapped the line: all of its rows go. */
  #erase(): string {
    if (this.#shown === '') return ''
    const above = Math.ceil(this.#shown.length / this.#columns()) - 1
    return `${above > 0 ? `\x1b[${above}A` : ''}\r\x1b[J`
  }

  #columns(): number {
    return Math.max(20, this.#output.columns || 80)
  }
}
