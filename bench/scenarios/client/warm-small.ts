import { get } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import { BOTH_ORIGINS, COMMON_COLUMNS, everyClient } from '../../lib/load-tables.ts'
import type { Scenario } from '../../lib/scenario.ts'

const CASE = { subjects: everyClient(), requests: [get('1k')], warmUpRequests: 200 } as const

/** Small requests over connections that are open: at a rate that leaves everybody time, and as many as go. */
export const warmSmall: Scenario = loadScenario({
  name: 'warm-small',
  description:
    '1 KB over open connections on loopback: 300 requests a second, whose times count from when they were due, and 32 at a time',
  origins: BOTH_ORIGINS,
  cases: [
    {
      ...CASE,
      name: '300 a second',
      arrival: { kind: 'open', perSecond: 300, spacing: 'poisson', maxInFlight: 256 },
    },
    { ...CASE, name: '32 at a time', arrival: { kind: 'closed', concurrency: 32 }, isLong: true },
  ],
  columns: [...COMMON_COLUMNS, 'lateRequests', 'lateMs'],
  compared: ['cpuMsPerRequest', 'p50Ms'],
})
