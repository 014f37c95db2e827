import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import type { CongestionControl } from '../../load/load-path.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import {
  BOTH_ORIGINS,
  COMMON_COLUMNS,
  everyClient,
  get,
  originsUnderLoss,
  ours,
  upload,
} from '../../load/load-tables.ts'

const MIXED_CASE: Omit<LoadCase, 'name' | 'conditions'> = {
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
    { ...MIXED_CASE, name: 'no loss', conditions: { roundTripMs: 40, lossRate: 0 } },
    { ...MIXED_CASE, name: '1 % loss', conditions: { roundTripMs: 40, lossRate: 0.01 }, isLong: true },
  ],
  columns: [...COMMON_COLUMNS, 'goodputMegabytesPerSecond', 'stallMaxMs', 'lateMs'],
  compared: ['p50Ms', 'p90Ms'],
  limits: [
    'percentiles are over all sizes together: the objects of the result file have each size by its label',
  ],
})

const UPLOAD_CASE: Omit<LoadCase, 'name' | 'conditions' | 'requests'> = {
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
      ...UPLOAD_CASE,
      name: '100 KB',
      requests: [upload('100k')],
      conditions: { roundTripMs: 40, lossRate: 0 },
    },
    {
      ...UPLOAD_CASE,
      name: '1 MB',
      requests: [upload('1m')],
      conditions: { roundTripMs: 40, lossRate: 0 },
      isLong: true,
    },
    {
      ...UPLOAD_CASE,
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

const ROUND_TRIP_MS = 40
const LOSSES = [0, 0.01, 0.02, 0.05] as const

/** Small requests at a rate, whatever becomes of those before: what is one lost packet to the others? */
export function smallLoss(congestionControl: CongestionControl): Scenario {
  return loadScenario({
    name: congestionControl === 'cubic' ? 'small-loss' : `small-loss-${congestionControl}`,
    description: `100 requests of 1 KB a second over ${ROUND_TRIP_MS} ms of round trip where 0, 1, 2 and 5 % of all packets are lost in either direction; times count from when a request was due`,
    way: congestionControl,
    origins: originsUnderLoss(congestionControl),
    cases: LOSSES.map(lossRate => ({
      name: `${100 * lossRate} % loss`,
      subjects: [...everyClient(), ours('h3', 'own', { isExtra: true })],
      conditions: { roundTripMs: ROUND_TRIP_MS, lossRate },
      requests: [get('1k')],
      arrival: { kind: 'open', perSecond: 100, spacing: 'poisson', maxInFlight: 200 },
      warmUpRequests: 20,
      // 1 % in a quick run: without loss there is nothing to see, and of less than a second little to lose.
      isLong: lossRate !== 0.01,
    })),
    columns: [...COMMON_COLUMNS, 'stallMaxMs', 'lateMs', 'wireReceivedMegabytes'],
    compared: ['p50Ms', 'p90Ms', 'p99Ms'],
    limits: [
      'one lost packet delays all that share its connection: requests of a round are not independent, rounds are',
    ],
  })
}
