import { median } from '../../src/bench/results/statistics.ts'

export interface AllocatedBytes {
  /** On V8's heap, of one call. Exact to 8 bytes, if no optimization takes place just then. */
  readonly heapBytes: number
  /**
   * Of Buffers and ArrayBuffers, which lie elsewhere. Those that come from Node's pool count when the pool is
   * refilled.
   */
  readonly bufferBytes: number
}

const TRIALS = 5
/**
 * The least that V8 gives its young generation: with more, a collection in the midst of a trial is likely.
 */
const TRIAL_BYTES = 256 * 1024
const MAX_CALLS = 100

/**
 * What one call allocates: the growth of the memory in use over some calls that follow on a collection. If
 * there is another one among them, what is left is less; so it is done several times. How many objects it
 * were Node does not tell. Undefined without --expose-gc.
 */
export function countAllocations(call: () => void): AllocatedBytes | undefined {
  if (globalThis.gc === undefined) return undefined
  const one = growth(call, 1)
  const perCall = Math.max(one.heapBytes, one.bufferBytes)
  const calls = Math.min(MAX_CALLS, Math.max(1, Math.floor(TRIAL_BYTES / Math.max(perCall, 1))))
  const trials = Array.from({ length: TRIALS }, () => growth(call, calls))
  return {
    heapBytes: Math.max(0, median(trials.map(({ heapBytes }) => heapBytes))),
    bufferBytes: Math.max(0, median(trials.map(({ bufferBytes }) => bufferBytes))),
  }
}

function growth(call: () => void, calls: number): AllocatedBytes {
  globalThis.gc?.({ type: 'minor' })
  const before = process.memoryUsage()
  for (let i = 0; i < calls; i++) call()
  const after = process.memoryUsage()
  return {
    heapBytes: (after.heapUsed - before.heapUsed) / calls,
    bufferBytes: (after.arrayBuffers - before.arrayBuffers) / calls,
  }
}
