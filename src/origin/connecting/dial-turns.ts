import type { Clock } from '../../base/clock.ts'
import { abortError } from '../../base/errors.ts'
import type { HandshakeInfo } from '../../base/events/connection.ts'
import { guarded, guardedImmediate, guardedListener } from '../../base/guard.ts'
import { processCpuMs } from '../../base/process-cpu.ts'

/** Begins one dial that waited. */
type Start = () => void

const DURING = 'a turn of dials'

interface Dialed {
  readonly handshake: HandshakeInfo
}

/** [D] Starts the dials of all origins, at once or in turns of the event loop: see DialScheduler. */
export class DialTurns {
  readonly #clock: Clock
  readonly #readCpuMs: () => number
  readonly #scheduler: DialScheduler<Start>
  #isArmed = false
  #deferred = 0

  /** `share`: see GlobalLimits.dialShare. */
  constructor(clock: Clock, share: number, readCpuMs: () => number = processCpuMs) {
    this.#clock = clock
    this.#readCpuMs = readCpuMs
    this.#scheduler = new DialScheduler(share, clock.now())
  }

  set share(share: number) {
    this.#scheduler.share = share
  }

  /** Dials that had to wait for their turn so far. */
  get deferred(): number {
    return this.#deferred
  }

  /** A request to that origin begins: see DialScheduler. */
  onRequest(origin: string, now: number): void {
    this.#scheduler.onRequest(origin, now)
  }

  /** What `dial` answers with, which is called in its turn. Rejects when the signal fires before that. */
  run<Result extends Dialed>(
    origin: string,
    signal: AbortSignal,
    dial: () => Promise<Result>,
  ): Promise<Result> {
    const scheduler = this.#scheduler
    const now = this.#clock.now()
    if (scheduler.share === 0 || scheduler.mayStart(origin, now)) return this.#start(origin, dial)
    this.#deferred++
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'the connect'))
      const leave = (): void => {
        scheduler.remove(origin, start)
        reject(abortError(signal, 'the connect'))
      }
      const onAbort = guardedListener(DURING, leave, reject)
      const start = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#start(origin, dial).then(resolve, reject)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      scheduler.add(origin, start, now)
      this.#arm()
    })
  }

  async #start<Result extends Dialed>(origin: string, dial: () => Promise<Result>): Promise<Result> {
    const startedAt = this.#clock.now()
    const startedCpuMs = this.#readCpuMs()
    const dialing = dial()
    this.#scheduler.onStarted(origin, this.#clock.now() - startedAt, this.#readCpuMs() - startedCpuMs)
    const dialed = await dialing
    const { kind, cpuMs } = dialed.handshake
    if (cpuMs !== undefined) this.#scheduler.onHandshake(origin, kind, cpuMs)
    return dialed
  }

  /** While something waits the loop does not: one turn follows the other. */
  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    guardedImmediate(DURING, this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#isArmed = false
    guarded(DURING, this.#startDue)
    if (this.#scheduler.hasWaiting) this.#arm()
  }

  readonly #startDue = (): void => {
    const scheduler = this.#scheduler
    let isIdle = scheduler.onTurn(this.#clock.now()) || scheduler.share === 0
    for (let start = scheduler.next(isIdle); start !== undefined; start = scheduler.next(isIdle)) {
      isIdle = scheduler.share === 0
      start()
    }
  }
}

/**
 * What a connection costs in all, over what is measured of it, its start and its handshake: tickets, its end
 * and garbage double it (with Node 20, of full handshakes and of resumed ones, by the requests that another
 * origin lost to them).
 */
const WHOLE_OVER_MEASURED = 2

/** Of one dial, whatever else ran meanwhile. */
const MOST_COST_MS = 20

/** Dials that may begin at once after a pause, as the time that they cost. */
const MAX_CREDIT_MS = 5

/** What dials that began in an idle loop may be made to pay for afterwards. */
const MAX_DEBT_MS = 20

/** A turn of the loop below this had nothing to do. */
const IDLE_TURN_MS = 0.05

/** An origin has other requests to suffer when it had one within this time. */
const BUSY_MS = 1_000

/** Origins whose handshakes are known; the one that was learned first makes room. */
const MAX_KNOWN = 1024

interface HandshakeCost {
  /** Of the last one: a full handshake costs more than a resumed one. */
  readonly kind: string
  readonly leastMs: number
}

/**
 * When each dial begins, where dials would take the event loop. A TLS handshake costs as much as twenty
 * requests, so that an origin whose connections end all the time would slow down every other one.
 *
 * 1. Dials have a share of the time (a token bucket in milliseconds). Each start takes out what the whole
 *    dial will cost; time puts in the share. What follows a start is read by Node within OpenSSL, where no
 *    clock of ours runs: the least CPU that a handshake with the origin was seen to take is near the truth,
 *    since whatever else ran meanwhile only adds to it.
 * 2. While the bucket is empty dials wait. A turn of the loop that had nothing else to do starts one all the
 *    same: no time is left unused.
 * 3. Origins whose dials wait take turns; the dials of one origin begin in order.
 * 4. Where no other origin had requests within the last second there is nobody to be fair to: all dials begin
 *    at once.
 */
export class DialScheduler<Dial> {
  /** Of the time, above 0. */
  share: number
  /** In turns: the first is next. */
  readonly #waiting = new Map<string, Set<Dial>>()
  readonly #handshakes = new Map<string, HandshakeCost>()
  /** The two origins that had requests last, and when. */
  #lastOrigin = ''
  #lastAt = Number.NEGATIVE_INFINITY
  #otherOrigin = ''
  #otherAt = Number.NEGATIVE_INFINITY
  #creditMs = MAX_CREDIT_MS
  #creditedAt: number
  #turnAt: number
  /** Since the last turn. */
  #startsMs = 0

  constructor(share: number, now: number) {
    this.share = share
    this.#creditedAt = now
    this.#turnAt = now
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0
  }

  /** A request to that origin begins. On the hot path. */
  onRequest(origin: string, now: number): void {
    if (origin !== this.#lastOrigin) {
      this.#otherOrigin = this.#lastOrigin
      this.#otherAt = this.#lastAt
      this.#lastOrigin = origin
    }
    this.#lastAt = now
  }

  /** Whether a newcomer may begin now. If not, it is to be added. */
  mayStart(origin: string, now: number): boolean {
    if (this.#waiting.size > 0) return false
    this.#addCredit(now)
    return this.#creditMs >= 0 || !this.#hasBusyNeighbor(origin, now)
  }

  /** `now`: turns count from here when nothing waited before. */
  add(origin: string, dial: Dial, now: number): void {
    if (this.#waiting.size === 0) {
      this.#turnAt = now
      this.#startsMs = 0
    }
    const queue = this.#waiting.get(origin)
    if (queue === undefined) this.#waiting.set(origin, new Set([dial]))
    else queue.add(dial)
  }

  /** It waits no more. */
  remove(origin: string, dial: Dial): void {
    const queue = this.#waiting.get(origin)
    if (queue?.delete(dial) === true && queue.size === 0) this.#waiting.delete(origin)
  }

  /**
   * A turn of the loop is over. Answers whether it had nothing to do, so that one dial may begin whatever the
   * others had.
   */
  onTurn(now: number): boolean {
    const isIdle = now - this.#turnAt - this.#startsMs < IDLE_TURN_MS
    this.#turnAt = now
    this.#startsMs = 0
    this.#addCredit(now)
    return isIdle
  }

  /** The dial that begins now; undefined: none. `isIdle`: whatever dials have had. */
  next(isIdle: boolean): Dial | undefined {
    if (this.#creditMs < 0 && !isIdle) return undefined
    for (const [origin, queue] of this.#waiting) {
      this.#waiting.delete(origin)
      for (const dial of queue) {
        queue.delete(dial)
        if (queue.size > 0) this.#waiting.set(origin, queue) // behind the others
        return dial
      }
    }
    return undefined
  }

  /**
   * A dial has begun, which took `startMs` of the turn, and `cpuMs`: less where the process was put aside
   * meanwhile, which is nothing that it took from other origins.
   */
  onStarted(origin: string, startMs: number, cpuMs = startMs): void {
    this.#startsMs += startMs
    const handshakeMs = this.#handshakes.get(origin)?.leastMs ?? cpuMs
    const costMs = Math.min((cpuMs + handshakeMs) * WHOLE_OVER_MEASURED, MOST_COST_MS)
    this.#creditMs = Math.max(this.#creditMs - costMs, -MAX_DEBT_MS)
  }

  /** A handshake of that kind is complete. `cpuMs`: of the process, from its begin to its end. */
  onHandshake(origin: string, kind: string, cpuMs: number): void {
    const known = this.#handshakes.get(origin)
    if (known?.kind === kind && known.leastMs <= cpuMs) return
    this.#handshakes.delete(origin)
    this.#handshakes.set(origin, { kind, leastMs: cpuMs })
    if (this.#handshakes.size <= MAX_KNOWN) return
    for (const [oldest] of this.#handshakes) {
      this.#handshakes.delete(oldest)
      return
    }
  }

  #hasBusyNeighbor(origin: string, now: number): boolean {
    const isLast = origin === this.#lastOrigin
    const at = isLast ? this.#otherAt : this.#lastAt
    return (isLast ? this.#otherOrigin : this.#lastOrigin) !== origin && now - at < BUSY_MS
  }

  #addCredit(now: number): void {
    this.#creditMs = Math.min(this.#creditMs + (now - this.#creditedAt) * this.share, MAX_CREDIT_MS)
    this.#creditedAt = now
  }
}
