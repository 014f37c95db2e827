import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import type { LoadSubject } from '../../load/load-subject.ts'
import {
  BOTH_ORIGINS,
  CURL,
  GOT,
  get,
  type HeldProtocol,
  NODE_HTTP2,
  ours,
  theirs,
  UNDICI,
} from '../../load/load-tables.ts'

const EXTRA = { isExtra: true } as const

/** One protocol by how its connection begins. Early data over TCP is nginx', over QUIC caddy's. */
function handshakes(
  protocol: HeldProtocol,
  origin: string,
  traits: { isExtra?: boolean } = {},
): LoadSubject[] {
  return [
    ours(protocol, origin, traits),
    ours(protocol, origin, { ...traits, words: 'resumed', keepsTickets: true }),
    ours(protocol, origin, { ...traits, words: 'early data', keepsTickets: true, earlyData: true }),
  ]
}

const SUBJECTS: readonly LoadSubject[] = [
  ...handshakes('h3', 'caddy'),
  ...handshakes('http/1.1', 'nginx', EXTRA),
  ...handshakes('h2', 'nginx', EXTRA),
  ours('http/1.1', 'caddy', EXTRA),
  ours('h2', 'caddy'),
  theirs('undici', UNDICI, 'http/1.1', 'nginx', EXTRA),
  theirs('got', GOT, 'http/1.1', 'nginx', EXTRA),
  theirs('node:http2', NODE_HTTP2, 'h2', 'nginx', EXTRA),
  theirs('curl', CURL, 'h2', 'nginx', EXTRA),
]

const CASE: Pick<LoadCase, 'subjects' | 'requests' | 'arrival' | 'client'> = {
  subjects: SUBJECTS,
  requests: [get('1k')],
  arrival: { kind: 'closed', concurrency: 1 },
  client: 'each',
}

/**
 * What a request costs whose connection is not there yet, by protocol and by what is left over from the
 * connection before.
 */
export const cold: Scenario = loadScenario({
  name: 'cold',
  description:
    'one request of 1 KB after another, each through a new client, over 40 ms of round trip: full handshakes, resumed ones and early data',
  way: 'cubic',
  origins: BOTH_ORIGINS,
  cases: [
    { ...CASE, name: 'no loss', conditions: { roundTripMs: 40, lossRate: 0 } },
    { ...CASE, name: '2 % loss', conditions: { roundTripMs: 40, lossRate: 0.02 }, isLong: true },
  ],
  columns: [
    'p50Ms',
    'p90Ms',
    'maxMs',
    'meanMs',
    'requests',
    'failures',
    'cpuMsPerRequest',
    'originCpuMsPerRequest',
    'fullHandshakes',
    'resumedHandshakes',
    'earlyDataHandshakes',
  ],
  compared: ['p50Ms'],
  limits: [
    "curl's time has the start of its process in it",
    'a row is what the columns of handshakes say it was: a ticket that was lost makes one of its connections a full one',
  ],
})
