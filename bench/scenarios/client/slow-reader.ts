import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import type { ClientModule, LoadSubject } from '../../load/load-subject.ts'
import {
  BOTH_ORIGINS,
  besideSlowReader,
  COMMON_COLUMNS,
  get,
  type HeldProtocol,
  MIDDLEMILE,
  NODE_HTTP2,
  theirs,
  UNDICI,
} from '../../load/load-tables.ts'

/**
 * The same client with and without its slow reader. With HTTP/1.1 there is a connection for each request, and
 * one for the reader.
 */
function pair(
  library: string,
  client: ClientModule,
  protocol: HeldProtocol,
  origin: string,
  isExtra = true,
): LoadSubject[] {
  const connections = protocol === 'http/1.1' ? 9 : 1
  return [
    theirs(library, client, protocol, origin, { connections, isExtra }),
    theirs(library, besideSlowReader(client), protocol, origin, {
      connections,
      isExtra,
      words: 'beside a slow reader',
    }),
  ]
}

const SUBJECTS: readonly LoadSubject[] = [
  ...pair('middlemile', MIDDLEMILE, 'http/1.1', 'caddy'),
  ...pair('middlemile', MIDDLEMILE, 'h2', 'caddy', false),
  ...pair('middlemile', MIDDLEMILE, 'h3', 'caddy'),
  ...pair('middlemile', MIDDLEMILE, 'h2', 'nginx'),
  ...pair('node:http2', NODE_HTTP2, 'h2', 'nginx'),
  ...pair('undici', UNDICI, 'http/1.1', 'nginx'),
]

const CASE: LoadCase = {
  name: '1k x 8',
  subjects: SUBJECTS,
  conditions: { roundTripMs: 40, lossRate: 0 },
  requests: [get('1k')],
  arrival: { kind: 'closed', concurrency: 8 },
  warmUpRequests: 32,
}

/** Somebody reads slowly: what is that to the others of the same pool? */
export const slowReader: Scenario = loadScenario({
  name: 'slow-reader',
  description:
    'requests of 1 KB, 8 at a time, over 40 ms of round trip, alone and while the same client reads one response of 10 MB with 100 KB a second; the slow one is in no figure',
  way: 'cubic',
  origins: BOTH_ORIGINS,
  cases: [CASE],
  columns: COMMON_COLUMNS,
  compared: ['p99Ms', 'p50Ms'],
})
