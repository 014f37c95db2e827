import { abortError, type TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'

const NEVER = Number.POSITIVE_INFINITY

/**
 * A timer that is late by more was held up with everything else in this process: what came meanwhile has not
 * been read yet.
 */
const LATE_MS = 100

export interface LivenessRules {
  /** A peer that owes a proof of liveness gets this long before it is asked for one. 0: it never is. */
  readonly intervalMs: number
  /** Asked and nothing came: given up. 0: never. */
  readonly timeoutMs: number
  /** Asked when nothing came for this long, whatever it owes. 0: never. */
  readonly idleIntervalMs: number
  /**
   * From one ask of a peer that owes to the next, where it has said nothing of its own between them. 0: it is
   * not asked a second time.
   */
  readonly quietIntervalMs: number
  /** The carrier loses what it is given: an ask without an answer is put out again every `intervalMs`. */
  readonly isLossy: boolean
}

/** Nobody asks. */
export const NO_LIVENESS: Readonly<Omit<LivenessRules, 'isLossy'>> = {
  intervalMs: 0,
  timeoutMs: 0,
  idleIntervalMs: 0,
  quietIntervalMs: 0,
}

/**
 * - `fine`: nothing is to be done
 * - `ask`: a ping is to be put out
 * - `dead`: it was asked, and nothing came for `timeoutMs`. Final
 */
export type LivenessVerdict = 'fine' | 'ask' | 'dead'

/**
 * Whether the peer of one connection still lives, by what comes from it. Any byte is a proof of liveness.
 *
 * Theory of operation. A peer owes a proof of liveness while an exchange is under way; and after it too when
 * nothing came since the exchange began: else callers who lose patience before `intervalMs` would keep a dead
 * connection in use for good.
 *  1. It owes, and nothing came for `intervalMs`: it is asked. So it is found dead after `intervalMs` +
 *     `timeoutMs` of silence.
 *  2. It was asked so, and has said nothing since but the answer: for rule 1 not again before
 *     `quietIntervalMs` have passed.
 *  3. Nothing came for `idleIntervalMs`: it is asked.
 *  4. While an ask is out there is no other one, unless the carrier is lossy.
 *  5. It was asked, and nothing came for `timeoutMs` since: it is dead.
 *
 * What comes costs a few stores: all else is worked out when the time is up, which is once per interval on a
 * busy connection.
 */
export class Liveness {
  readonly #rules: LivenessRules
  #nextAt = NEVER
  #heardAt = 0
  /** An exchange began at `#owedSince`, and nothing came since. */
  #owes = false
  #owedSince = 0
  /** An ask is out, the first one since `#askedAt`, the last one since `#lastAskAt`. */
  #isAsking = false
  #askedAt = 0
  #lastAskAt = 0
  /** Rule 2. */
  #quietUntil = -NEVER

  constructor(rules: LivenessRules) {
    this.#rules = rules
  }

  /** When onTimer wants to be called. */
  get nextAt(): number {
    return this.#nextAt
  }

  /** An ask is out. */
  get isAsking(): boolean {
    return this.#isAsking
  }

  /** What `dead` means, for people. */
  get deathMessage(): string {
    return `the peer was sent a liveness probe and said nothing for liveness.timeoutMs (${this.#rules.timeoutMs})`
  }

  /** The connection is there. */
  start(now: number): void {
    this.#heardAt = now
    this.#wakeIn(this.#rules.idleIntervalMs, now)
  }

  /** An exchange begins where there was none. */
  onBusy(now: number): void {
    if (!this.#owes) {
      this.#owes = true
      this.#owedSince = now
    }
    this.#wakeIn(this.#rules.intervalMs, now)
  }

  /** Something came. */
  onHeard(now: number): void {
    this.#heardAt = now
    this.#owes = false
    if (!this.#isAsking) return
    this.#isAsking = false
    this.#wakeSoon(now)
  }

  /** Among it something of its own: neither an answer to an ask nor a word about the connection. */
  onSpoken(now: number): void {
    if (this.#quietUntil === -NEVER) return
    this.#quietUntil = -NEVER
    this.#wakeSoon(now)
  }

  /** An ask that is out could not leave until about now, since what was ahead of it was still leaving. */
  onDelayed(now: number): void {
    this.#askedAt = now
  }

  /** The time is up. `isBusy`: exchanges are under way. */
  onTimer(isBusy: boolean, now: number): LivenessVerdict {
    if (now < this.#nextAt) return 'fine'
    if (this.#isAsking && now - this.#nextAt > LATE_MS) {
      this.#nextAt = now + LATE_MS
      return 'fine'
    }
    if (this.#isAsking && this.#deadAt <= now) {
      this.#nextAt = NEVER
      return 'dead'
    }
    const isDue = this.#dueAt(isBusy) <= now
    if (isDue) this.#onAsk(isBusy, now)
    this.#nextAt = this.#isAsking ? Math.min(this.#deadAt, this.#dueAt(isBusy)) : this.#dueAt(isBusy)
    return isDue ? 'ask' : 'fine'
  }

  #onAsk(isBusy: boolean, now: number): void {
    const { quietIntervalMs } = this.#rules
    if (this.#isOwed(isBusy)) this.#quietUntil = quietIntervalMs > 0 ? now + quietIntervalMs : NEVER
    if (!this.#isAsking) this.#askedAt = now
    this.#isAsking = true
    this.#lastAskAt = now
  }

  /** As things are: when the peer is to be asked. */
  #dueAt(isBusy: boolean): number {
    const { intervalMs, idleIntervalMs, isLossy } = this.#rules
    if (this.#isAsking) return isLossy && intervalMs > 0 ? this.#lastAskAt + intervalMs : NEVER
    const idleAt = idleIntervalMs > 0 ? this.#heardAt + idleIntervalMs : NEVER
    if (!this.#isOwed(isBusy)) return idleAt
    const silentSince = this.#owes ? this.#owedSince : this.#heardAt
    return Math.min(idleAt, Math.max(silentSince + intervalMs, this.#quietUntil))
  }

  #isOwed(isBusy: boolean): boolean {
    return this.#rules.intervalMs > 0 && (isBusy || this.#owes)
  }

  get #deadAt(): number {
    const { timeoutMs } = this.#rules
    return timeoutMs > 0 ? this.#askedAt + timeoutMs : NEVER
  }

  /** To see what is due now: not before one of the intervals has passed. */
  #wakeSoon(now: number): void {
    this.#wakeIn(this.#rules.intervalMs, now)
    this.#wakeIn(this.#rules.idleIntervalMs, now)
  }

  #wakeIn(ms: number, now: number): void {
    if (ms > 0) this.#nextAt = Math.min(this.#nextAt, now + ms)
  }
}

interface Asker {
  readonly resolve: () => void
  readonly reject: (error: TransportError) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: () => void
}

/**
 * Those who wait for an answer to a PING. They share one: its answer says that the connection works to all of
 * them.
 */
export class SharedPing {
  #askers = new Set<Asker>()

  get isPending(): boolean {
    return this.#askers.size > 0
  }

  /** Resolves with the next answer. Rejects with MM_ABORTED when the signal fires first. */
  join(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(abortError(signal, 'the check'))
        return
      }
      const asker: Asker = {
        resolve,
        reject,
        signal,
        onAbort: guardedListener('the end of a check', () => this.#leave(asker), reject),
      }
      this.#askers.add(asker)
      signal?.addEventListener('abort', asker.onAbort, { once: true })
    })
  }

  #leave(asker: Asker): void {
    this.#askers.delete(asker)
    if (asker.signal !== undefined) asker.reject(abortError(asker.signal, 'the check'))
  }

  onPong(): void {
    for (const asker of this.#take()) asker.resolve()
  }

  /** There will be no answer. */
  fail(error: TransportError): void {
    for (const asker of this.#take()) asker.reject(error)
  }

  #take(): Set<Asker> {
    const askers = this.#askers
    this.#askers = new Set()
    for (const { signal, onAbort } of askers) signal?.removeEventListener('abort', onAbort)
    return askers
  }
}
