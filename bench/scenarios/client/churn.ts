import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import type { LoadSubject } from '../../load/load-subject.ts'
import { COMMON_COLUMNS, GOT, get, NODE_HTTP2, ours, theirs, UNDICI } from '../../load/load-tables.ts'

const FEW = 'nginx of 20 requests'
const SHORT = 'nginx of 60 ms'

function subjectsAt(origin: string): readonly LoadSubject[] {
  const extra = { isExtra: true } as const
  return [
    ours('http/1.1', origin),
    ours('h2', origin),
    theirs('undici', UNDICI, 'http/1.1', origin),
    theirs('got', GOT, 'http/1.1', origin, extra),
    theirs('node:http2', NODE_HTTP2, 'h2', origin, extra),
  ]
}

const CASE: Pick<LoadCase, 'conditions' | 'requests'> = {
  conditions: { roundTripMs: 40, lossRate: 0 },
  requests: [get('1k')],
}

/** An origin that closes its connections all the time, while requests are on their way to it. */
export const churn: Scenario = loadScenario({
  name: 'churn',
  description:
    'requests of 1 KB over 40 ms of round trip to an nginx that closes each connection after 20 requests (8 at a time), and to one that closes it when it was idle for 60 ms (20 requests a second)',
  way: 'cubic',
  origins: {
    [FEW]: { kind: 'nginx', keepaliveRequests: 20 },
    [SHORT]: { kind: 'nginx', keepaliveTimeoutMs: 60 },
  },
  cases: [
    {
      ...CASE,
      name: 'closed after 20 requests',
      subjects: subjectsAt(FEW),
      arrival: { kind: 'closed', concurrency: 8 },
    },
    {
      ...CASE,
      name: 'closed after 60 ms idle',
      subjects: subjectsAt(SHORT),
      arrival: { kind: 'open', perSecond: 20, spacing: 'poisson', maxInFlight: 64 },
      isLong: true,
    },
  ],
  columns: COMMON_COLUMNS,
  compared: ['p50Ms', 'p90Ms'],
  limits: [
    'all requests are GETs: who may send them again does, and that is in its times and not among its failures',
  ],
})
