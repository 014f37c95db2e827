import type { LoadCase } from '../../lib/load-case.ts'
import { upload } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import { BOTH_ORIGINS, everyClient } from '../../lib/load-tables.ts'
import type { Scenario } from '../../lib/scenario.ts'

const CASE: Omit<LoadCase, 'name' | 'conditions' | 'requests'> = {
  subjects: everyClient(),
  arrival: { kind: 'closed', concurrency: 4 },
  warmUpRequests: 4,
}

/** Bodies that go up: the origin answers when it has them whole. */
export const uploads: Scenario = loadScenario({
  name: 'upload',
  description:
    'request bodies of 100 KB and 1 MB, 4 at a time, over 40 ms of round trip, to a place that answers when it has them whole',
  way: 'cubic',
  origins: BOTH_ORIGINS,
  cases: [
    {
      ...CASE,
      name: '100 KB',
      requests: [upload('100k')],
      conditions: { roundTripMs: 40, lossRate: 0 },
    },
    {
      ...CASE,
      name: '1 MB',
      requests: [upload('1m')],
      conditions: { roundTripMs: 40, lossRate: 0 },
      isLong: true,
    },
    {
      ...CASE,
      name: '100 KB, 1 % loss',
      requests: [upload('100k')],
      conditions: { roundTripMs: 40, lossRate: 0.01 },
      isLong: true,
    },
  ],
  columns: [
    'p50Ms',
    'p90Ms',
    'maxMs',
    'goodputMegabytesPerSecond',
    'requests',
    'failures',
    'cpuMsPerRequest',
    'originCpuMsPerRequest',
    'connections',
  ],
  compared: ['p50Ms', 'goodputMegabytesPerSecond'],
  limits: [
    'both origins hand the request on to a second server on their machine before it is answered; caddy hands the body on as well, nginx reads it away',
  ],
})
