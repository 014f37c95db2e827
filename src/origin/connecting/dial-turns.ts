import type { Clock } from '../../base/clock.ts'
import { abortError } from '../../base/errors.ts'
import type { HandshakeInfo } from '../../base/events/connection.ts'
import { guarded, guardedImmediate, guardedListener } from '../../base/guard.ts'
import { DialScheduler } from './dial-scheduler.ts'

/** Begins one dial that waited. */
type Start = () => void

const DURING = 'a turn of dials'

interface Dialed {
  readonly handshake: HandshakeInfo
}

/** [D] Starts the dials of all origins, at once or in turns of the event loop: see DialScheduler. */
export class DialTurns {
  readonly #clock: Clock
  readonly #scheduler: DialScheduler<Start>
  #isArmed = false
  #deferred = 0

  /** `share`: see GlobalLimits.dialShare. */
  constructor(clock: Clock, share: number) {
    this.#clock = clock
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
    const dialing = dial()
    this.#scheduler.onStarted(origin, this.#clock.now() - startedAt)
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
