import type { LoadCase } from '../../lib/load-case.ts'
import { get } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import { BOTH_ORIGINS, COMMON_COLUMNS, everyClient } from '../../lib/load-tables.ts'
import type { Scenario } from '../../lib/scenario.ts'

const CASE: Omit<LoadCase, 'name' | 'conditions'> = {
  subjects: everyClient(),
  requests: [get('1k', 60), get('10k', 30), get('100k', 9), get('1m', 1)],
  arrival: { kind: 'open', perSecond: 40, spacing: 'poisson', maxInFlight: 128 },
  warmUpRequests: 20,
}

/** Bodies of all sizes side by side: who waits for whom? */
export const mixed: Scenario = loadScenario({
  name: 'mixed',
  description:
    '40 requests a second, of which 60 % ask for 1 KB, 30 % for 10 KB, 9 % for 100 KB and 1 % for 1 MB, over 40 ms of round trip; times count from when a request was due',
  way: 'cubic',
  origins: BOTH_ORIGINS,
  cases: [
    { ...CASE, name: 'no loss', conditions: { roundTripMs: 40, lossRate: 0 } },
    { ...CASE, name: '1 % loss', conditions: { roundTripMs: 40, lossRate: 0.01 }, isLong: true },
  ],
  columns: [...COMMON_COLUMNS, 'goodputMegabytesPerSecond', 'stallMaxMs', 'lateMs'],
  compared: ['p50Ms', 'p90Ms'],
  limits: [
    'percentiles are over all sizes together: the objects of the result file have each size by its label',
  ],
})
