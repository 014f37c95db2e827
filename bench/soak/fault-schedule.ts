import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../src/base/seeded-random.ts'
import type { SoakOrigins } from './origin/start-origins.ts'
import type { OriginName } from './plan.ts'

/** An origin was not there, on the wall clock. */
export interface Downtime {
  readonly origin: OriginName
  readonly from: number
  readonly to: number
}

export interface FaultCounts {
  reloads: number
  kills: number
  silentRestarts: number
}

/**
 * Does what befalls origins from outside, while the load runs: each in its own rhythm, drawn from the seed.
 */
export class FaultSchedule {
  readonly downtimes: Downtime[] = []
  readonly counts: FaultCounts = { reloads: 0, kills: 0, silentRestarts: 0 }
  readonly #origins: SoakOrigins
  readonly #seed: number
  readonly #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()

  constructor(origins: SoakOrigins, seed: number) {
    this.#origins = origins
    this.#seed = seed
  }

  start(): void {
    this.#running = Promise.all([
      this.#repeat(1, 2_000, 4_000, async () => {
        await this.#origins.reload()
        this.counts.reloads++
      }),
      this.#repeat(2, 4_000, 9_000, async () => {
        await this.#restart('killed')
        this.counts.kills++
      }),
      this.#repeat(3, 5_000, 12_000, async () => {
        await this.#restart('http3')
        this.counts.silentRestarts++
      }),
    ])
    this.#running.catch(() => {}) // stop() rejects with it
  }

  /** Resolves when nothing more is done, and every origin is there. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #restart(origin: 'killed' | 'http3'): Promise<void> {
    const from = Date.now()
    await this.#origins.kill(origin)
    await this.#origins.start(origin)
    this.downtimes.push({ origin, from, to: Date.now() })
  }

  async #repeat(number: number, leastMs: number, mostMs: number, act: () => Promise<void>): Promise<void> {
    const random = seededRandom(this.#seed * 16 + number)
    const { signal } = this.#stop
    for (;;) {
      const waitMs = leastMs + random() * (mostMs - leastMs)
      await sleep(waitMs, undefined, { signal }).catch(() => {}) // it was stopped
      if (signal.aborted) return
      await act()
    }
  }
}
