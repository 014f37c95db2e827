import { Session } from 'node:inspector/promises'
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

/**
 * What the heap profiler says of one node of the call tree (Chrome DevTools protocol,
 * HeapProfiler.SamplingHeapProfileNode).
 */
interface ProfileNode {
  callFrame: { functionName: string; url: string; lineNumber: number }
  selfSize: number
  children: ProfileNode[]
}

export interface Allocations {
  /** On V8's heap. Memory of Buffers lies elsewhere and is not in here. */
  bytes: number
  /** By function, most first. */
  sites: readonly { name: string; bytes: number }[]
}

/** A sample every so many bytes: what allocates much is seen often enough. */
const SAMPLE_BYTES = 8_192

/**
 * Runs `work` and says how much it allocated on the heap, by samples; what was collected meanwhile counts as
 * well.
 */
export async function sampleAllocations(work: () => void): Promise<Allocations> {
  const session = new Session()
  session.connect()
  try {
    // Node 20's types do not know the last two yet; its V8 does.
    const options = {
      samplingInterval: SAMPLE_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    }
    await session.post('HeapProfiler.startSampling', options)
    work()
    const { profile } = await session.post('HeapProfiler.stopSampling')
    return sum(profile.head)
  } finally {
    session.disconnect()
  }
}

function sum(root: ProfileNode): Allocations {
  const byName = new Map<string, number>()
  let bytes = 0
  const open = [root]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    open.push(...node.children)
    if (node.selfSize === 0) continue
    const { functionName, url, lineNumber } = node.callFrame
    const file = url.slice(url.lastIndexOf('/') + 1)
    const name = `${functionName || '(anonymous)'} ${file}${file === '' ? '' : `:${lineNumber + 1}`}`
    bytes += node.selfSize
    byName.set(name, (byName.get(name) ?? 0) + node.selfSize)
  }
  const sites = [...byName].map(([name, bytes]) => ({ name, bytes })).toSorted((a, b) => b.bytes - a.bytes)
  return { bytes, sites }
}
