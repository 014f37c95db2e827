import { type Summary, summaryLine } from './summary-line.ts'

/** Where the summary goes: process.stdout. */
export interface SummaryOutput {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

const EVERY_MS = 1_000
/** Without a terminal: at most this often, and only when something changed. */
const LOG_EVERY_MS = 10_000

/**
 * Shows how the connector is doing: one line, rewritten every second, on a terminal; else a line now and
 * then.
 */
export class LiveSummary {
  readonly #output: SummaryOutput
  readonly #read: () => Summary
  readonly #timer: NodeJS.Timeout
  #before: Summary
  #ticks = 0
  #shown = ''

  constructor(output: SummaryOutput, read: () => Summary) {
    this.#output = output
    this.#read = read
    this.#before = read()
    const everyMs = output.isTTY === true ? EVERY_MS : LOG_EVERY_MS
    this.#timer = setInterval(() => this.tick(everyMs), everyMs)
    if (output.isTTY === true) this.tick(0)
  }

  /** `sinceMs` have passed since the last call. */
  tick(sinceMs: number): void {
    const now = this.#read()
    const line = summaryLine(now, this.#before, sinceMs)
    const hasChanged =
      this.#ticks++ === 0 ||
      now.requests !== this.#before.requests ||
      now.connections !== this.#before.connections
    this.#before = now
    if (this.#output.isTTY === true) {
      // A line that wraps could not be rewritten in place.
      this.#shown = line.slice(0, Math.max(20, (this.#output.columns ?? 80) - 1))
      this.#output.write(`\r\x1b[2K${this.#shown}`)
    } else if (hasChanged) this.#output.write(`${line}\n`)
  }

  /** Leaves the last line where it is. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#shown !== '') this.#output.write('\n')
  }
}
