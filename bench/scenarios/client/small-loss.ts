import { ours } from '../../lib/clients/load-clients.ts'
import { get } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import { COMMON_COLUMNS, everyClient, originsUnderLoss } from '../../lib/load-tables.ts'
import type { CongestionControl } from '../../lib/origins/lossy-path.ts'
import type { Scenario } from '../../lib/scenario.ts'

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
