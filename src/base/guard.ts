import { TransportError } from './errors.ts'

/**
 * The one guard over what the event loop calls. What a callback throws because of the outside (no descriptor
 * left, a full disk, a log that nobody reads) or of a defect would end the process. A guarded callback hands
 * it to whoever listens for faults instead; where nobody does, it becomes a warning of the process. What is
 * done now and then is tried again; what was thrown in an event of a connection ends that connection.
 */

/** One thing that was thrown where nobody waits for an outcome. */
export interface ContainedFault {
  /**
   * What was being done: `a timer`, `the addresses of this machine`. A fixed text, so that faults can be
   * counted by it.
   */
  readonly during: string
  readonly error: unknown
}

export type FaultListener = (fault: ContainedFault) => void

const listeners = new Set<FaultListener>()

/**
 * Called, for the whole process, with what was thrown where nobody waits for an outcome. Returns what ends
 * it. Without a listener it becomes a warning of the process.
 *
 * @example
 * ```ts
 * const stop = onContainedFault(({ during, error }) => console.error(during, error))
 * ```
 */
export function onContainedFault(listener: FaultListener): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** Notifies the listeners of a fault that was contained. Never throws. */
export function reportFault(during: string, error: unknown): void {
  if (listeners.size === 0) {
    warn(`${during}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    return
  }
  for (const listener of listeners) {
    try {
      listener({ during, error })
    } catch (failure) {
      warn(`a listener for faults failed: ${String(failure)}`)
    }
  }
}

/** Runs it. What it throws is reported, and the answer is undefined. */
export function guarded<Value>(during: string, run: () => Value): Value | undefined {
  try {
    return run()
  } catch (error) {
    reportFault(during, error)
    return undefined
  }
}

/** setImmediate() whose callback cannot end the process. */
export function guardedImmediate(during: string, run: () => unknown): void {
  setImmediate(guarded, during, run)
}

/** queueMicrotask() whose callback cannot end the process. */
export function guardedMicrotask(during: string, run: () => unknown): void {
  queueMicrotask(() => void guarded(during, run))
}

/** process.nextTick() whose callback cannot end the process. */
export function guardedTick(during: string, run: () => unknown): void {
  process.nextTick(guarded, during, run)
}

/**
 * Reports what was thrown in an event of a connection, a dial or a query, and ends that with `end`, whose
 * argument is the error of everything on it. Never throws.
 */
export function containFault(during: string, error: unknown, end: (error: TransportError) => void): void {
  reportFault(during, error)
  const message = `${during} failed: ${error instanceof Error ? error.message : String(error)}`
  try {
    end(new TransportError('MM_INTERNAL', message, { cause: error, processed: 'unknown' }))
  } catch (failure) {
    reportFault(`${during}, and its end`, failure)
  }
}

/** A listener for events of a socket that cannot end the process: see containFault(). */
export function guardedListener<Args extends readonly unknown[]>(
  during: string,
  listener: (...args: Args) => void,
  end: (error: TransportError) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      listener(...args)
    } catch (error) {
      containFault(during, error, end)
    }
  }
}

/** For a promise that nobody waits for: its rejection is reported. */
export function guardedPromise(during: string, promise: Promise<unknown>): void {
  promise.catch((error: unknown) => reportFault(during, error))
}

/**
 * What the caller's own code threw in its last call, where it cannot be reported any more: an uncaught
 * exception, as in any other callback of a socket. It is thrown out of the way of whoever called.
 */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

/**
 * The system said no (errno, or a call of libuv), which is no defect of the code that asked.
 *
 * @example
 * ```ts
 * onContainedFault(({ during, error }) => {
 *   if (!isSystemError(error)) console.error(`a defect in ${during}`, error)
 * })
 * ```
 */
export function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('syscall' in error && typeof error.syscall === 'string') return true
  return 'code' in error && error.code === 'ERR_SYSTEM_ERROR'
}

/** A warning that is repeated forever would fill what it is written to: each text is given once. */
const warned = new Set<string>()
const MAX_WARNED = 100

function warn(text: string): void {
  if (warned.size >= MAX_WARNED || warned.has(text)) return
  warned.add(text)
  process.emitWarning(text, 'MiddlemileFault')
}
