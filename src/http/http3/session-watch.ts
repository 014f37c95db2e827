import { Deadlines } from '../multiplex/deadlines.ts'
import { Liveness, NO_LIVENESS } from '../multiplex/liveness.ts'
import { AnswerDue } from './answer-due.ts'
import { Http3StreamFault } from './frames/error-codes.ts'
import type { InboundMessages } from './inbound-messages.ts'
import type { Http3SessionCore } from './session-core.ts'

const NEVER = Number.POSITIVE_INFINITY

/**
 * How often it is looked whether packets have come: so many times per interval of liveness, which is how
 * exact that is.
 */
const LOOKS_PER_INTERVAL = 4

/** How long a first GOAWAY gets to reach the client, in round trips, and at the least. */
const DRAIN_ROUND_TRIPS = 2
const MIN_DRAIN_MS = 20

/** How long credit may take behind the end of a stream: enough for a few losses in a row. */
const CREDIT_ROUND_TRIPS = 8
const MIN_CREDIT_MS = 2_000

/** How long a client has to close after the last answer: enough for a few losses in a row. */
const LINGER_ROUND_TRIPS = 10
const MIN_LINGER_MS = 1_000

/** Round trips change slowly, and asking for one costs 20 us. */
const ROUND_TRIP_EVERY_MS = 1_000
/** Before anything was measured (RFC 9002 6.2.2). */
const INITIAL_RTT_MS = 333
/** Of the peer, unless it says otherwise (RFC 9000 18.2, max_ack_delay). */
const ACK_DELAY_MS = 25

/** What a session waits for, and asks for: SETTINGS in time, proofs of liveness, answers to pings. */
export class SessionWatch {
  readonly #core: Http3SessionCore
  readonly #messages: InboundMessages
  readonly #liveness: Liveness
  /** Milliseconds from one look to the next: with exchanges under way, and without. */
  readonly #lookMs: Readonly<Record<'busy' | 'idle', number>>
  readonly #deadlines = new Deadlines(['settings', 'credit', 'head', 'drain', 'linger'])
  #lookAt = NEVER
  /** Those that had come at the last look. */
  #seenPackets = 0
  /** Exchanges were under way at the last look, or have begun since. */
  #isBusy = false
  readonly #answer: AnswerDue
  readonly #doubtMs: number
  /** What had come at the last turn, and when that was. */
  #seenBytes = 0
  #heardAt: number
  #ptoMs = 0
  #ptoUntil = -NEVER
  /** The packets that had come when a ping was asked for. */
  #pingedAt: number | undefined

  constructor(core: Http3SessionCore, messages: InboundMessages) {
    this.#core = core
    this.#messages = messages
    const options = core.options.liveness ?? NO_LIVENESS
    // No server counts the PINGs of QUIC, which keep no stream waiting, and each is lost with its packet.
    this.#liveness = new Liveness({ ...options, quietIntervalMs: 1, isLossy: true })
    const { unresponsiveMs = 0, doubtMs = 0 } = core.options.patience ?? {}
    this.#answer = new AnswerDue(unresponsiveMs)
    this.#doubtMs = doubtMs
    this.#heardAt = core.now
    const idle = lookMs(options.idleIntervalMs)
    this.#lookMs = { busy: Math.min(lookMs(options.intervalMs), idle), idle }
  }

  get nextAt(): number {
    return Math.min(this.#deadlines.nextAt, this.#liveness.nextAt, this.#lookAt, this.#answer.nextAt)
  }

  /** The peer may be gone, for all that we know: see QuicOptions.doubtMs. */
  isInDoubt(now: number): boolean {
    if (this.#doubtMs === 0 || !this.#core.quic.isEstablished) return false
    if (this.#answer.isInDoubt) return true
    const silentMs = now - this.#heardAt
    return silentMs >= this.#doubtMs && silentMs >= this.#probeTimeoutMs(now)
  }

  start(): void {
    this.#heardAt = this.#core.now
    this.#liveness.start(this.#core.now)
    this.#lookAt = this.#core.now + this.#lookMs.idle
  }

  expectSettings(): void {
    const { now, options, hasPeerSettings } = this.#core
    if (!hasPeerSettings) this.#deadlines.expect('settings', now, options.options.settingsTimeoutMs)
  }

  onSettings(): void {
    this.#deadlines.met('settings')
  }

  expectDrained(): void {
    const { now, quic } = this.#core
    const roundTrips = quic.stats().rttMs * DRAIN_ROUND_TRIPS
    this.#deadlines.expect('drain', now, Math.max(roundTrips, MIN_DRAIN_MS))
  }

  /**
   * Everything is said, and QUIC has taken it; whether it has arrived nobody reports. To close now would cut
   * off what was lost on its way, so the client gets time to close first, which it does when it has
   * everything.
   */
  expectLinger(): void {
    if (this.#deadlines.isAwaited('linger')) return
    const { now, quic } = this.#core
    this.#deadlines.expect('linger', now, Math.max(quic.stats().rttMs * LINGER_ROUND_TRIPS, MIN_LINGER_MS))
  }

  /** A request waits for credit that should be on its way. */
  expectCredit(): void {
    const { now, quic } = this.#core
    this.#deadlines.expect('credit', now, Math.max(quic.stats().rttMs * CREDIT_ROUND_TRIPS, MIN_CREDIT_MS))
  }

  onCredit(): void {
    this.#deadlines.met('credit')
  }

  /** A stream was opened. */
  onOpened(): void {
    // A request that was late, below the last id of GOAWAY: it is served like the others, and the wait begins
    // again behind it.
    this.#deadlines.met('linger')
    const { quic, now } = this.#core
    if (!this.#answer.isDue) this.#expectAnswer()
    if (this.#lookMs.busy === NEVER || this.#isBusy) return
    this.#isBusy = true
    // What came while nobody looked is no answer to what begins here.
    this.#seenPackets = quic.stats().receivedPackets
    this.#liveness.onBusy(now)
    this.#lookAt = Math.min(this.#lookAt, now + this.#lookMs.busy)
  }

  /**
   * Server: a request has begun. One deadline serves all heads: it is set when there is none, and moved on
   * when it has come.
   */
  onAccepted(): void {
    this.onOpened()
    const { options, now } = this.#core
    const { headTimeoutMs = 0 } = options
    if (headTimeoutMs > 0 && !this.#deadlines.isAwaited('head'))
      this.#deadlines.expect('head', now, headTimeoutMs)
  }

  ping(): void {
    const { quic } = this.#core
    this.#pingedAt = quic.stats().receivedPackets
    this.#ping()
  }

  /** Something may have come: before anything follows from it. */
  onInput(): void {
    const { receivedBytes } = this.#core.quic
    if (receivedBytes === this.#seenBytes) return
    this.#seenBytes = receivedBytes
    this.#heardAt = this.#core.now
    this.#answer.onHeard()
  }

  /** What came has been acted on. */
  onTurn(): void {
    if (this.#pingedAt === undefined || this.#core.isEnded) return
    if (this.#core.quic.stats().receivedPackets === this.#pingedAt) return
    this.#pingedAt = undefined
    this.#core.events.onPong()
  }

  /**
   * Ends the session where somebody was waited for too long. Throws ConnectionFault. Says what else is due:
   * the last GOAWAY of a drained session, and that no credit has come.
   */
  onTimeout(): readonly ('drain' | 'credit')[] {
    const core = this.#core
    const due: ('drain' | 'credit')[] = []
    for (;;) {
      const overdue = this.#deadlines.takeOverdue(core.now)
      if (overdue === undefined) break
      if (overdue === 'drain' || overdue === 'credit') due.push(overdue)
      else if (overdue === 'head') this.#breakSlowHeads()
      else if (overdue === 'linger') core.end({ code: 'H3_NO_ERROR', message: '', cause: 'local' })
      else core.end({ code: 'H3_MISSING_SETTINGS', message: 'the peer sent no SETTINGS', cause: 'timeout' })
    }
    if (!core.isEnded && Math.min(this.#liveness.nextAt, this.#lookAt) <= core.now) this.#checkLiveness()
    if (!core.isEnded && this.#answer.nextAt <= core.now) this.#checkAnswer()
    return core.isEnded ? [] : due
  }

  #ping(): void {
    this.#core.quic.ping()
    if (!this.#answer.isDue) this.#expectAnswer()
  }

  #expectAnswer(): void {
    const { now } = this.#core
    this.#answer.onSent(this.#probeTimeoutMs(now), now)
  }

  /**
   * The variation is at most half of a round trip at first (RFC 9002 5.3), and the engine does not report it
   * later.
   */
  #probeTimeoutMs(now: number): number {
    if (now >= this.#ptoUntil) {
      this.#ptoMs = 3 * (this.#core.quic.stats().rttMs || INITIAL_RTT_MS) + ACK_DELAY_MS
      this.#ptoUntil = now + ROUND_TRIP_EVERY_MS
    }
    return this.#ptoMs
  }

  #checkAnswer(): void {
    const core = this.#core
    this.onInput() // a turn of the owner's may be due
    const verdict = this.#answer.onTimer(core.now)
    if (verdict === 'ask') core.quic.ping()
    else if (verdict === 'unresponsive') core.events.onUnresponsive?.()
  }

  #breakSlowHeads(): void {
    const core = this.#core
    const { headTimeoutMs = 0 } = core.options
    let oldest = Number.POSITIVE_INFINITY
    for (const stream of core.table.all()) {
      if (stream.readState !== 'head' || stream.isOver) continue
      if (core.now - stream.openedAt < headTimeoutMs) oldest = Math.min(oldest, stream.openedAt)
      else {
        const message = `the head of a request was not complete after headerTimeoutMs (${headTimeoutMs})`
        core.onStreamFault(stream, new Http3StreamFault('H3_REQUEST_INCOMPLETE', message, 'headerTimeoutMs'))
      }
    }
    if (Number.isFinite(oldest)) this.#deadlines.expect('head', oldest, headTimeoutMs)
  }

  #checkLiveness(): void {
    const core = this.#core
    this.#look()
    const verdict = this.#liveness.onTimer(this.#isBusy, core.now)
    if (verdict === 'ask') this.#ping()
    else if (verdict === 'dead') {
      const message = this.#liveness.deathMessage
      core.end({ code: 'H3_NO_ERROR', message, cause: 'silent' }, undefined, () =>
        this.#messages.deliverWhole(),
      )
    }
  }

  /** The hot path pays nothing for liveness but for the first exchange after a look that found none. */
  #look(): void {
    const { quic, now, table } = this.#core
    const { receivedPackets } = quic.stats()
    if (receivedPackets !== this.#seenPackets) this.#liveness.onHeard(now)
    this.#seenPackets = receivedPackets
    this.#isBusy = table.size > 0
    const isWatching = this.#isBusy || this.#liveness.nextAt !== NEVER
    this.#lookAt = isWatching ? now + this.#lookMs[this.#isBusy ? 'busy' : 'idle'] : NEVER
  }
}

function lookMs(intervalMs: number): number {
  return intervalMs > 0 ? Math.max(1, intervalMs / LOOKS_PER_INTERVAL) : NEVER
}
