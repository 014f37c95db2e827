import type { Clock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import { guardedImmediate } from '../base/guard.ts'
import { type HeaderList, NO_HEADERS } from '../base/http/headers.ts'
import { processCpuMs } from '../base/process-cpu.ts'
import type { IngressExchange, IngressHandler } from './ingress-exchange.ts'
import type { IngressStats } from './ingress-stats.ts'
import { refusalOf } from './refusal.ts'

export interface LoadShedderParts {
  readonly handler: IngressHandler
  /** See IngressLimits. */
  readonly limits: { readonly shedTargetMs: number; readonly shedIntervalMs: number }
  readonly clock: Clock
  readonly stats: IngressStats
  readonly proxyName: string
  /** See LoopOverload. */
  readonly readCpuMs?: () => number
}

interface Answer {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
  readonly madeAt: number
}

/** How long an answer serves: its date has no more than seconds. */
const ANSWER_MS = 1_000

/** [D] Refuses requests before any work is done on them while the process is overloaded: see LoopOverload. */
class LoadShedder {
  readonly #parts: LoadShedderParts
  readonly #overload: LoopOverload
  #isInTurn = false
  #answer: Answer | undefined

  constructor(parts: LoadShedderParts) {
    this.#parts = parts
    const { shedTargetMs, shedIntervalMs } = parts.limits
    this.#overload = new LoopOverload(shedTargetMs, shedIntervalMs, parts.readCpuMs ?? processCpuMs)
  }

  /** In the place of the handler. */
  readonly handle: IngressHandler = exchange => {
    const { clock, handler } = this.#parts
    if (!this.#isInTurn) {
      // The first of a turn is always served: whatever the target is, something goes on.
      this.#isInTurn = true
      this.#overload.onTurnBegan(clock.now())
      guardedImmediate('the end of a turn', this.#onTurnEnded)
      handler(exchange)
    } else if (!this.#overload.isOverloaded || this.#overload.admits(clock.now())) handler(exchange)
    else this.#refuse(exchange)
  }

  readonly #onTurnEnded = (): void => {
    this.#isInTurn = false
    this.#overload.onTurnEnded(this.#parts.clock.now())
  }

  #refuse(exchange: IngressExchange): void {
    this.#parts.stats.shed++
    const { status, headers, body } = this.#currentAnswer()
    exchange.events = IGNORED_EVENTS
    exchange.respondStart(status, headers)
    if (exchange.method !== 'HEAD') exchange.respondData(body, keepOwned)
    exchange.respondEnd(NO_HEADERS)
  }

  /** One and the same list for many: its text is then made once, too. */
  #currentAnswer(): Answer {
    const { clock, limits, proxyName } = this.#parts
    const now = clock.now()
    if (this.#answer !== undefined && now - this.#answer.madeAt < ANSWER_MS) return this.#answer
    const error = new TransportError(
      'MM_OVERLOADED',
      `the process was busy for longer than ingress.shedTargetMs = ${limits.shedTargetMs} at a time, for more than ` +
        `ingress.shedIntervalMs = ${limits.shedIntervalMs}`,
    )
    const { status, headers, body } = refusalOf(error, proxyName)
    this.#answer = { status, headers, body: Buffer.from(body), madeAt: now }
    return this.#answer
  }
}

/** `handler`, behind a LoadShedder unless it is switched off. */
export function withLoadShedding(parts: LoadShedderParts): IngressHandler {
  return parts.limits.shedTargetMs === 0 ? parts.handler : new LoadShedder(parts).handle
}

/** An answer that is complete at once has nothing to receive from its client. */
const IGNORED_EVENTS = { onDrain(): void {}, onAborted(): void {} }

function keepOwned(chunk: Buffer): Buffer {
  return chunk
}

/**
 * Whether more requests come than this process can work off, by how long each turn of the event loop is
 * busy with them: a request that comes now waits for as long before anybody reads it. A turn may be long by
 * chance; what lasts is an overload (as CoDel has it for queues, RFC 8289 section 3).
 *
 * A turn is also long when the process is put aside: by a cgroup's quota, or by others on the machine. That
 * is no work that refusing requests would save, so that a long turn counts where the process has used its
 * CPU for as long. To read that in each turn would cost a fiftieth of a small request; so it is read once
 * turns are long.
 *
 * calm        the last turn was short. Valid transitions: late
 * late        all turns were long since then, and all but the first busy. Valid transitions: calm, overloaded
 * overloaded  so it was for the interval. Valid transitions: calm, by a turn that was short, or not busy
 */
type State =
  | { readonly kind: 'calm' }
  | { readonly kind: 'late'; readonly since: number }
  | { readonly kind: 'overloaded' }

const CALM: State = { kind: 'calm' }
const OVERLOADED: State = { kind: 'overloaded' }

export class LoopOverload {
  readonly #targetMs: number
  readonly #intervalMs: number
  readonly #readCpuMs: () => number
  #state: State = CALM
  #turnAt = 0
  /** At the begin of the turn, unless the state is calm. */
  #turnCpuMs = 0

  /** `readCpuMs`: what the process has used so far. */
  constructor(targetMs: number, intervalMs: number, readCpuMs: () => number) {
    this.#targetMs = targetMs
    this.#intervalMs = intervalMs
    this.#readCpuMs = readCpuMs
  }

  get isOverloaded(): boolean {
    return this.#state === OVERLOADED
  }

  /** The first request of a turn was read. */
  onTurnBegan(now: number): void {
    this.#turnAt = now
    if (this.#state !== CALM) this.#turnCpuMs = this.#readCpuMs()
  }

  onTurnEnded(now: number): void {
    const state = this.#state
    if (now - this.#turnAt <= this.#targetMs) this.#state = CALM
    else if (state === CALM) this.#state = { kind: 'late', since: this.#turnAt }
    else if (!this.#isBusy) this.#state = CALM
    else if (state.kind === 'late' && now - state.since >= this.#intervalMs) this.#state = OVERLOADED
  }

  /**
   * Whether a request is served that was read now: in an overload those that fill the target are, and the
   * rest of the turn is not.
   */
  admits(now: number): boolean {
    return this.#state !== OVERLOADED || now - this.#turnAt <= this.#targetMs || !this.#isBusy
  }

  get #isBusy(): boolean {
    return this.#readCpuMs() - this.#turnCpuMs > this.#targetMs
  }
}
