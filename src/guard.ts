/**
 * The one guard over what the event loop calls. What a callback throws because of the outside (no descriptor left, a full disk, a log that
 * nobody reads) would end the process, although whatever it was for may work the next time. A guarded callback hands it to whoever listens
 * for faults instead; where nobody does, it becomes a warning of the process.
 */

/** One thing that was thrown where nobody waits for an outcome. */
export interface ContainedFault {
  /** What was being done: `a timer`, `the addresses of this machine`. A fixed text, so that faults can be counted by it. */
  readonly during: string
  readonly error: unknown
}

export type FaultListener = (fault: ContainedFault) => void

const listeners = new Set<FaultListener>()

/** For the whole process. Returns what ends it. */
export function onContainedFault(listener: FaultListener): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** Tells the listeners of a fault that was contained. Never throws. */
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

/** The system said no (errno, or a call of libuv), which is no defect of the code that asked. */
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
