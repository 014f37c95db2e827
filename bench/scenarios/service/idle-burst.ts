import { get } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import { BOTH_ORIGINS, COMMON_COLUMNS, everyClient } from '../../lib/load-tables.ts'
import type { Scenario } from '../../lib/scenario.ts'

const BURST = 32

/** Nothing for long, then many at once: what of the connections is left, and what of their windows? */
export const idleBurst: Scenario = loadScenario({
  name: 'idle-burst',
  description: `${BURST} requests of 10 KB at once, 3 s after the last of the burst before has ended, over 40 ms of round trip`,
  way: 'cubic',
  origins: BOTH_ORIGINS,
  cases: [
    {
      name: `10k x ${BURST}`,
      subjects: everyClient(),
      conditions: { roundTripMs: 40, lossRate: 0 },
      requests: [get('10k')],
      arrival: { kind: 'bursts', requests: BURST, pauseMs: 3_000 },
      timeFactor: 2,
    },
  ],
  columns: COMMON_COLUMNS,
  compared: ['p50Ms', 'p90Ms'],
  limits: ['before the first burst of a round the others have their turn: it comes after a longer pause'],
})
