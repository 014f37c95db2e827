import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import type { CongestionControl } from '../../load/load-path.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import type { LoadSubject } from '../../load/load-subject.ts'
import { get, NODE_HTTP2, originsUnderLoss, ours, oursAuto, theirs, UNDICI } from '../../load/load-tables.ts'

const OBJECTS = 20
const ROUND_TRIP_MS = 40
const LOSSES = [0, 0.01, 0.02, 0.05] as const

const EXTRA = { isExtra: true } as const
/** As a browser has. */
const SIX = { connections: 6, words: 'x6' } as const
const ONE_EACH = { connections: OBJECTS, words: `x${OBJECTS}` } as const

const SUBJECTS: readonly LoadSubject[] = [
  ours('http/1.1', 'caddy', { ...SIX, ...EXTRA }),
  ours('http/1.1', 'caddy', { ...ONE_EACH, ...EXTRA }),
  ours('h2', 'caddy'),
  ours('h3', 'caddy'),
  oursAuto('caddy', EXTRA),
  theirs('undici', UNDICI, 'http/1.1', 'caddy', { ...ONE_EACH, ...EXTRA }),
  theirs('node:http2', NODE_HTTP2, 'h2', 'caddy', EXTRA),
  ours('http/1.1', 'nginx', { ...ONE_EACH, ...EXTRA }),
  ours('h2', 'nginx', EXTRA),
  ours('h3', 'own', EXTRA),
]

function caseOf(lossRate: number, isWarm: boolean): LoadCase {
  return {
    name: `${isWarm ? 'warm' : 'cold'}, ${100 * lossRate} % loss`,
    subjects: SUBJECTS,
    conditions: { roundTripMs: ROUND_TRIP_MS, lossRate },
    requests: [get('100k')],
    arrival: { kind: 'bursts', requests: OBJECTS, pauseMs: 0 },
    client: 'fresh',
    // The same before: its connections are open, and have seen the path.
    warmUpRequests: isWarm ? OBJECTS : 0,
    maxRequests: OBJECTS,
    timeFactor: 5,
    repeats: 4,
    isLong: isWarm || lossRate > 0,
  }
}

/**
 * 20 objects at once: what is one lost packet to the others? Bulk over TCP under loss measures the sender's
 * congestion control: there is a scenario for each.
 */
export function objects(congestionControl: CongestionControl): Scenario {
  return loadScenario({
    name: congestionControl === 'cubic' ? 'objects' : `objects-${congestionControl}`,
    description: `${OBJECTS} x 100 KB at once over ${ROUND_TRIP_MS} ms of round trip where 0, 1, 2 and 5 % of all packets are lost in either direction: through a new client (cold), and through one that has just done the same (warm)`,
    way: congestionControl,
    origins: originsUnderLoss(congestionControl),
    cases: [
      ...LOSSES.map(loss => caseOf(loss, false)),
      ...LOSSES.filter(loss => loss <= 0.02).map(loss => caseOf(loss, true)),
    ],
    columns: [
      'wallMs',
      'p50Ms',
      'p90Ms',
      'maxMs',
      'firstByteP50Ms',
      'failures',
      'stallP50Ms',
      'stallMaxMs',
      'connections',
      'wirePerBody',
      'cpuSeconds',
      'originCpuSeconds',
    ],
    compared: ['wallMs', 'p50Ms'],
    limits: ['a burst under loss is a draw: read the spread of the rounds before their median'],
  })
}
