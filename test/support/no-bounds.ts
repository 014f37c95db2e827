import type { PoolStats } from '../../src/index.ts'

/** Of an origin that bounds nothing, with the default retry budget. */
export const NO_BOUNDS: Pick<PoolStats, 'breakers' | 'concurrency' | 'retryBudget'> = {
  breakers: {
    requests: { limit: 0, used: 0, refused: 0 },
    retries: { limit: 0, used: 0, refused: 0 },
  },
  concurrency: undefined,
  retryBudget: { left: 10, refused: 0 },
}
