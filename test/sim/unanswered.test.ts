import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { DEFAULT_RETRY_OPTIONS } from '../../src/base/options/options.ts'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { judgeReplay } from '../../src/exchange/replay-rules.ts'
import { RetryBudget } from '../../src/origin/retry-budget.ts'

const CLOSED = new TransportError('MM_CONNECTION_CLOSED', 'closed', { processed: 'unknown' })
const REQUESTS = 1_000_000

interface Origin {
  /** Requests that begin before any of them has ended, all on one connection where they multiplex. */
  readonly atOnce: number
  /** How likely a connection ends before it has answered what it carries. */
  readonly closes: number
  /**
   * The share of connections that have carried requests before; of multiplexed ones only the first request
   * finds a new one.
   */
  readonly reused: number
}

/**
 * The rules and the budget with their defaults, against connections that end by chance: how many of a million
 * GETs fail, and how many copies leave.
 */
function run({ atOnce, closes, reused }: Origin, seed: number): { failed: number; copies: number } {
  const random = seededRandom(seed)
  const budget = new RetryBudget(DEFAULT_RETRY_OPTIONS, 0)
  let failed = 0
  let copies = 0
  for (let begun = 0; begun < REQUESTS; begun += atOnce) {
    const now = begun / 10 // 10,000 a second
    for (let i = 0; i < atOnce; i += 1) budget.deposit()
    let waiting = Array.from({ length: atOnce }, () => 0)
    while (waiting.length > 0) {
      copies += waiting.length
      if (random() >= closes) break
      const isReused = random() < reused
      waiting = waiting.flatMap((retries, place) => {
        const verdict = judgeReplay({
          error: CLOSED,
          method: 'GET',
          isBodyReplayable: true,
          beforeLease: false,
          reused: isReused || place > 0,
          isConnectionEnding: false,
          isPathDead: false,
          isLostInMove: false,
          isCallerCommitted: false,
          retries,
          maxRetries: DEFAULT_RETRY_OPTIONS.maxRetries,
          maxUnanswered: DEFAULT_RETRY_OPTIONS.maxUnanswered,
          wasEarly: false,
          hasOtherLane: false,
        })
        if (verdict.replay && (verdict.cost === 'free' || budget.withdraw(now))) return [retries + 1]
        failed += 1
        return []
      })
    }
  }
  return { failed, copies }
}

describe('a million GETs to an origin that closes connections at random moments', () => {
  it.each<[string, Origin]>([
    ['a tenth of new ones, one request each', { atOnce: 1, closes: 0.1, reused: 0 }],
    ['a tenth of all, nine in ten of them reused', { atOnce: 1, closes: 0.1, reused: 0.9 }],
    ['a twentieth of connections with a hundred requests each', { atOnce: 100, closes: 0.05, reused: 1 }],
  ])('lose none: %s', (_what, origin) => {
    for (const seed of [1, 2, 3]) expect(run(origin, seed).failed).toBe(0)
  })
})

describe('a million GETs to an origin that answers none', () => {
  const { budgetRatio, budgetMin } = DEFAULT_RETRY_OPTIONS
  /** What trickles in over 100 s. */
  const most = REQUESTS * (1 + budgetRatio) + budgetMin * 11

  it('become a fifth more where each meets a new connection', () => {
    const { failed, copies } = run({ atOnce: 1, closes: 1, reused: 0 }, 1)
    expect(failed).toBe(REQUESTS)
    expect(copies).toBeLessThanOrEqual(most)
  })

  it('become at most one more for each that found its connection in use', () => {
    const { failed, copies } = run({ atOnce: 100, closes: 1, reused: 1 }, 1)
    expect(failed).toBe(REQUESTS)
    expect(copies).toBeLessThanOrEqual(most + REQUESTS)
  })
})
