import type { CloseReason, ExchangeEnded, HandshakeInfo } from '../../entry/events.ts'
import { CounterSet } from './counter-set.ts'
import { DurationHistogram } from './duration-histogram.ts'

/** By index: the hundreds of the status; 0 stands for exchanges that got no response. */
export const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Nobody knows yet what becomes of its early data. */
function isOpen({ kind, earlyData }: HandshakeInfo): boolean {
  return kind === 'early_data' && earlyData === 'none'
}

/** What is counted for one origin over one protocol. Reporting an exchange is a handful of additions. */
export class ProtocolMetrics {
  readonly #statusClasses = new Float64Array(STATUS_CLASSES.length)
  readonly requestDuration = new DurationHistogram()
  readonly ttfb = new DurationHistogram()
  readonly queue = new DurationHistogram()
  /** Of the data that a loss held up, in exchanges whose protocol can tell. */
  readonly stall = new DurationHistogram()
  /** Requests that left in early data, by what became of it. */
  readonly earlyData = new CounterSet<'accepted' | 'rejected'>()
  readonly opened = new CounterSet<HandshakeInfo['kind']>()
  readonly closed = new CounterSet<CloseReason>()
  reused = 0

  onExchangeEnded(event: ExchangeEnded): void {
    this.countStatus(event.status)
    if (event.reused) this.reused++
    this.requestDuration.observe(event.totalMs)
    this.queue.observe(event.queueMs)
    if (event.status !== 0) this.ttfb.observe(event.ttfbMs)
    if (event.stallMs !== undefined) this.stall.observe(event.stallMs)
    if (event.earlyData !== 'none') this.earlyData.add(event.earlyData)
  }

  /** What was opened in early data is counted when it is known what became of it. */
  onOpened(handshake: HandshakeInfo): void {
    if (!isOpen(handshake)) this.opened.add(handshake.kind)
  }

  /** What never came to a handshake counts as what it was to be. */
  onClosed(handshake: HandshakeInfo): void {
    if (isOpen(handshake)) this.opened.add(handshake.kind)
  }

  countStatus(status: number): void {
    // Codes above 599 are legal on the wire (RFC 9110 15: treat as 5xx).
    const index = Math.min(Math.trunc(status / 100), STATUS_CLASSES.length - 1)
    this.#statusClasses[index] = (this.#statusClasses[index] ?? 0) + 1
  }

  statusClassCount(statusClass: (typeof STATUS_CLASSES)[number]): number {
    return this.#statusClasses[STATUS_CLASSES.indexOf(statusClass)] ?? 0
  }
}
