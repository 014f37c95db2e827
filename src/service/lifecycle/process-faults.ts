import { executionAsyncResource } from 'node:async_hooks'
import type { Logger } from 'pino'
import { guarded } from '../../base/guard.ts'
import { type Clock, type ContainedFault, isSystemError, onContainedFault } from '../../entry/events.ts'

/** How many defects a process lives through. */
interface FaultBudgetOptions {
  /** Defects within `windowMs` with which the process is given up. 0: never. */
  readonly maxFaults: number
  readonly windowMs: number
}

/**
 * Whether a process that has met a defect goes on. One may have broken a single exchange; many in a short
 * time say that more is broken than can be seen, and then a new process is better than this one.
 */
export class FaultBudget {
  /** When the latest ones came, the oldest first; `maxFaults` at the most. */
  #times: number[] = []

  /** One more. True: it is one too many. */
  spend(now: number, { maxFaults, windowMs }: FaultBudgetOptions): boolean {
    if (maxFaults === 0) return false
    this.#times = [...this.#times, now].slice(-maxFaults)
    const [oldest = now] = this.#times
    return this.#times.length === maxFaults && now - oldest <= windowMs
  }
}

interface ProcessFaultsParts {
  readonly logger: Logger
  readonly clock: Clock
  /** As it is configured now. */
  readonly budget: () => FaultBudgetOptions
  /** One more fault, for the metrics. */
  readonly count: (kind: FaultKind, cause: FaultCause) => void
  /**
   * Defects have come too often: called once, and the process should drain and end. Giving it makes us take
   * `uncaughtException`, which is the whole process's: without it only what the transport contains is logged
   * and counted.
   */
  readonly onTooMany: (() => void) | undefined
}

/** `contained`: by the guard of a timer or a task, which goes on; `uncaught`: by nobody but us. */
export type FaultKind = 'contained' | 'uncaught'
/**
 * `system`: the system said no (descriptors, disk, permissions), which passes; `defect`: the code is wrong.
 */
export type FaultCause = 'system' | 'defect'

/** A fault that stays is logged once in so long. */
const SILENCE_MS = 60_000
const MAX_REMEMBERED = 256

/**
 * The last resort of a service: what nobody caught is logged and counted, the connection in whose event it
 * was thrown is ended, and the process goes on. That is safe for what the system said; what a defect leaves
 * behind nobody knows, so that only a few of those are lived through.
 */
export class ProcessFaults {
  readonly #parts: ProcessFaultsParts
  readonly #budget = new FaultBudget()
  readonly #stopListening: () => void
  /** When each fault was logged, and how often it came since. */
  readonly #logged = new Map<string, { at: number; since: number }>()
  #isGivenUp = false

  constructor(parts: ProcessFaultsParts) {
    this.#parts = parts
    this.#stopListening = onContainedFault(this.#onContained)
    // Rejections that nobody handles come here too: Node raises them as uncaught exceptions.
    if (parts.onTooMany !== undefined) process.on('uncaughtException', this.#onUncaught)
  }

  close(): void {
    this.#stopListening()
    process.removeListener('uncaughtException', this.#onUncaught)
  }

  readonly #onContained = ({ during, error }: ContainedFault): void => {
    this.#take('contained', `${during} failed, and is tried again when it is due`, error)
  }

  /** What the last resort throws itself would end the process. */
  readonly #onUncaught = (error: unknown, origin: string): void => {
    guarded('the last resort', () => this.#takeUncaught(error, origin))
  }

  #takeUncaught(error: unknown, origin: string): void {
    const culprit = endCulprit()
    const consequence = culprit === undefined ? 'nothing was ended for it' : `${culprit} was ended`
    const what =
      origin === 'unhandledRejection' ? 'a rejection that nobody handled' : 'an error that nobody caught'
    this.#take('uncaught', `${what}; ${consequence}`, error)
  }

  #take(kind: FaultKind, what: string, error: unknown): void {
    const cause = isSystemError(error) ? 'system' : 'defect'
    this.#parts.count(kind, cause)
    this.#log(what, error)
    if (
      cause === 'system' ||
      this.#isGivenUp ||
      !this.#budget.spend(this.#parts.clock.now(), this.#parts.budget())
    )
      return
    this.#isGivenUp = true
    const { maxFaults, windowMs } = this.#parts.budget()
    if (this.#parts.onTooMany === undefined) return
    this.#parts.logger.error(
      `${maxFaults} defects within ${windowMs}ms (shutdown.maxFaults, shutdown.faultWindow): the process drains and ends`,
    )
    this.#parts.onTooMany()
  }

  #log(what: string, error: unknown): void {
    const { clock, logger } = this.#parts
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    const now = clock.now()
    const before = this.#logged.get(text)
    if (before !== undefined && now - before.at < SILENCE_MS) {
      before.since += 1
      return
    }
    if (this.#logged.size >= MAX_REMEMBERED) this.#logged.clear()
    this.#logged.set(text, { at: now, since: 0 })
    const again =
      before === undefined || before.since === 0 ? '' : `, ${before.since} times more since the last line`
    logger.error({ err: error }, `${what}: ${text}${again}`)
  }
}

/** What can be ended so that what is broken goes with it. */
interface Destroyable {
  destroy(): unknown
}

/**
 * Ends the socket in whose event something was thrown that nobody caught. While `uncaughtException` is
 * emitted the failed callback is still the one that Node executes, so that its resource (the handle of libuv)
 * is at hand; the handle has its socket under a symbol of Node's. There is no documented way from one to the
 * other: where it is not found, which is so for timers and promises too, the answer is undefined.
 */
export function endCulprit(resource: object = executionAsyncResource()): string | undefined {
  const owner = ownerOf(resource)
  if (!isDestroyable(owner)) return undefined
  const name = nameOf(owner)
  try {
    owner.destroy()
  } catch {
    return undefined
  }
  return name
}

function ownerOf(resource: object): unknown {
  const key = Object.getOwnPropertySymbols(resource).find(symbol => symbol.description === 'owner_symbol')
  return key === undefined ? undefined : Reflect.get(resource, key)
}

function isDestroyable(owner: unknown): owner is Destroyable {
  return (
    typeof owner === 'object' &&
    owner !== null &&
    'remoteAddress' in owner &&
    'destroy' in owner &&
    typeof owner.destroy === 'function'
  )
}

function nameOf(socket: object): string {
  // as: a socket of node:net
  const { remoteAddress, remotePort } = socket as { remoteAddress?: string; remotePort?: number }
  return remoteAddress === undefined
    ? 'a connection'
    : `the connection with ${remoteAddress} port ${remotePort}`
}
