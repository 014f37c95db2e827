import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type OriginOptions } from '../../../src/index.ts'
import { type FirmOrigin, startFirmOrigin } from '../../support/firm-origin.ts'
import { MACHINE_IS_SHARED } from '../../support/overhead.ts'
import { volume } from '../../support/volume.ts'

const PLACES = 20
const SERVICE_MS = 200
const LOAD = 3
/** What is counted of each run, after what it takes to get there. */
const COUNTED_MS = volume(2_500, 60_000)
const RAMP_MS = 1_200
const TRY_MS = 800
const RETRY = { statuses: [503], maxRetries: 2, perTryTimeoutMs: TRY_MS } as const
/** RetryOptions: replays over requests, and those that are allowed beside them in 10 s. */
const [RATIO, MIN] = [0.2, 10]

let origin: FirmOrigin
/** Answers per second that the origin has for who asks no faster than it answers. */
let capacity: number

interface Outcome {
  /** Answers per second, in time. */
  readonly goodput: number
  readonly requests: number
  readonly retries: number
  /** How many of these the budget allows in the time that it took. */
  readonly budget: number
}

/** Requests at even times, whatever becomes of those before. */
async function offer(url: string, perSecond: number, options: OriginOptions): Promise<Outcome> {
  // Few connections would bound what is under way, and nothing else would have to.
  const pool = { maxConnections: 2_000 }
  await using transport = createTransport({ defaults: { retry: RETRY, pool, ...options } })
  let good = 0
  let sent = 0
  const underWay = new Set<Promise<void>>()
  const startedAt = performance.now()
  const passed = (): number => performance.now() - startedAt
  const ask = async (): Promise<void> => {
    const response = await transport.request(url)
    await response.dump()
    const isCounted = passed() > RAMP_MS && passed() < RAMP_MS + COUNTED_MS
    if (response.status === 200 && isCounted) good += 1
  }
  while (passed() < RAMP_MS + COUNTED_MS) {
    for (; sent < (passed() * perSecond) / 1_000; sent += 1) {
      const asked = ask().catch(() => {})
      underWay.add(asked)
      void asked.then(() => underWay.delete(asked))
    }
    await sleep(2)
  }
  const retries = transport.stats().pools[0]?.retries ?? 0
  const budget = RATIO * sent + MIN * (1 + passed() / 10_000)
  await transport.close()
  await Promise.all(underWay)
  return { goodput: good / (COUNTED_MS / 1_000), requests: sent, retries, budget }
}

/** Of who has a request more for each place, so that none is ever free. */
async function measureCapacity(): Promise<number> {
  await using transport = createTransport({ defaults: { pool: { maxConnections: 2 * PLACES } } })
  let left = 16 * PLACES
  const ask = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await (await transport.request(origin.queueing)).dump()
    }
  }
  const [before, startedAt] = [origin.worked, performance.now()]
  await Promise.all(Array.from({ length: 2 * PLACES }, ask))
  return ((origin.worked - before) * 1_000) / (performance.now() - startedAt)
}

beforeAll(async () => {
  origin = await startFirmOrigin(PLACES, SERVICE_MS)
  capacity = await measureCapacity()
})

afterAll(() => origin[Symbol.asyncDispose]())

function expectWithinBudget({ retries, budget }: Outcome): void {
  expect(retries).toBeGreaterThan(0)
  expect(retries).toBeLessThanOrEqual(budget)
}

describe('nginx that gets three times what it can answer, with retries', MACHINE_IS_SHARED, () => {
  it('keeps nine tenths of its capacity where it refuses what is too much', async () => {
    const storm = await offer(origin.refusing, LOAD * capacity, {})
    expect(storm.goodput / capacity).toBeGreaterThan(0.9)
    expectWithinBudget(storm)
  })

  it.each([
    ['a breaker above its capacity', { breakers: { maxRequests: 2 * PLACES, maxRetries: 2 } }],
    ['the limit of concurrency', { concurrency: { limit: 'gradient' } }],
  ] as const)(
    'keeps nine tenths of its capacity where it makes requests wait, with %s',
    async (_what, options) => {
      const storm = await offer(origin.queueing, LOAD * capacity, options)
      expect(storm.goodput / capacity).toBeGreaterThan(0.9)
      expect(storm.retries).toBeLessThanOrEqual(storm.budget)
    },
  )

  it('answers hardly any in time where it makes them wait and nothing bounds them, though retries are', async () => {
    const storm = await offer(origin.queueing, LOAD * capacity, {})
    expect(storm.goodput / capacity).toBeLessThan(0.5)
    expectWithinBudget(storm)
  })
})
