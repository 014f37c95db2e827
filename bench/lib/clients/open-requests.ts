import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { Histogram } from '../../../src/bench/results/histogram.ts'

export interface OpenRequests {
  readonly served: Histogram
  /** Answers with a status of 400 and above, and failures. */
  readonly refused: Histogram
  /** All of them, those of the warm-up included. */
  readonly begun: number
}

/** More than are ever under way: nobody who comes waits for a connection of ours. */
const CONNECTIONS = 4_096

/**
 * GETs that begin at a rate, whatever became of those before. A latency counts from when a request was due,
 * so that a client that is late hides nothing. What ended in the first `warmUpSeconds`, or after the last
 * second, is in no figure.
 */
export async function openRequests(
  url: string,
  { perSecond, seconds, warmUpSeconds }: { perSecond: number; seconds: number; warmUpSeconds: number },
): Promise<OpenRequests> {
  const agent = new Agent({ connections: CONNECTIONS, headersTimeout: 30_000 })
  const result = { served: new Histogram(), refused: new Histogram() }
  const startedAt = performance.now()
  const get = async (dueMs: number): Promise<void> => {
    let isServed = false
    try {
      const { statusCode, body } = await request(url, { dispatcher: agent })
      await body.dump()
      isServed = statusCode < 400
    } catch {
      // Counted below.
    }
    const endedMs = performance.now() - startedAt
    if (endedMs >= warmUpSeconds * 1_000 && endedMs < (warmUpSeconds + seconds) * 1_000)
      (isServed ? result.served : result.refused).record(endedMs - dueMs)
  }
  const open: Promise<void>[] = []
  const count = Math.ceil(perSecond * (warmUpSeconds + seconds))
  for (let begun = 0; begun < count; ) {
    const elapsedMs = performance.now() - startedAt
    for (; begun < count && (begun * 1_000) / perSecond <= elapsedMs; begun++) {
      open.push(get((begun * 1_000) / perSecond))
    }
    await sleep(1)
  }
  await Promise.all(open)
  await agent.destroy()
  return { ...result, begun: count }
}
