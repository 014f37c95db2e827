import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolStats } from '../../src/index.ts'

type NamedPool = PoolStats & { readonly name: string | null }

/** What `/pools` shows when the load has ended. */
export interface PoolsAtEnd {
  /** Nothing is leased and nobody waits. */
  readonly isIdle: boolean
  /** How long that took. */
  readonly idleAfterMs: number
  readonly pools: readonly PoolFigures[]
}

interface PoolFigures {
  readonly name: string
  readonly opened: number
  readonly connectFailures: number
  readonly requests: number
  readonly retries: number
  readonly open: number
  readonly leased: number
  readonly waiters: number
}

const PATIENCE_MS = 15_000

/** Waits until all pools are idle, for a time. */
export async function untilPoolsIdle(adminUrl: string): Promise<PoolsAtEnd> {
  const from = performance.now()
  for (;;) {
    const pools = await readPools(adminUrl)
    const isIdle = pools.every(({ leased, waiters }) => leased === 0 && waiters === 0)
    const idleAfterMs = performance.now() - from
    if (isIdle || idleAfterMs > PATIENCE_MS) return { isIdle, idleAfterMs, pools }
    await sleep(100)
  }
}

async function readPools(adminUrl: string): Promise<PoolFigures[]> {
  const response = await fetch(`${adminUrl}/pools`, { signal: AbortSignal.timeout(10_000) })
  const { pools } = (await response.json()) as { pools: readonly NamedPool[] } // the page is ours
  return pools.map(({ name, origin, opened, connections, connectFailures, requests, retries, waiters }) => {
    const { full, resumed, earlyData, cleartext } = opened
    return {
      name: name ?? origin,
      opened: full + resumed + earlyData + cleartext,
      connectFailures,
      requests,
      retries,
      open: connections.idle + connections.leased + connections.draining,
      leased: connections.leased,
      waiters,
    }
  })
}
