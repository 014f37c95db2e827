import { Session } from 'node:inspector/promises'

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
