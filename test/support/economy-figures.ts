import type { PoolStats } from '../../src/index.ts'
import { economyFigures, NO_COUNTERS } from '../../src/origin/economy/economy-figures.ts'
import { poolSizing } from '../../src/origin/economy/pool-sizing.ts'

const NOTHING = economyFigures(NO_COUNTERS, 0)

/** Of an origin that nobody has asked yet. */
export const NO_ECONOMY: Pick<PoolStats, 'economy' | 'objective' | 'sizing' | 'protection' | 'hints'> = {
  economy: { lastMinute: NOTHING, lastHour: NOTHING, sinceStart: NOTHING },
  objective: { state: 'unknown', reuse: 0.92 },
  protection: undefined,
  hints: { opened: 0, unused: 0, warm: 0, paced: 0, limited: 0, refused: 0 },
  sizing: poolSizing(
    NOTHING,
    { headroom: 0, maxConnections: 64 },
    { level: 0, streamsPerConnection: undefined },
  ),
}
