import { GRPC_JS, NODE_HTTP2, ours, theirs, UNDICI } from '../../lib/clients/load-clients.ts'
import type { LoadCase } from '../../lib/load-case.ts'
import { UNARY_CALL } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import type { LoadSubject } from '../../lib/load-subject.ts'
import { COMMON_COLUMNS } from '../../lib/load-tables.ts'
import type { Scenario } from '../../lib/scenario.ts'

const ORIGIN = 'our origin'
const EXTRA = { isExtra: true } as const

const SUBJECTS: readonly LoadSubject[] = [
  ours('h2', ORIGIN),
  ours('h3', ORIGIN),
  theirs('grpc-js', GRPC_JS, 'h2', ORIGIN),
  theirs('node:http2', NODE_HTTP2, 'h2', ORIGIN, EXTRA),
  theirs('undici', UNDICI, 'h2', ORIGIN, EXTRA),
]

const CASE: Pick<LoadCase, 'subjects' | 'requests' | 'warmUpRequests'> = {
  subjects: SUBJECTS,
  requests: [UNARY_CALL],
  warmUpRequests: 100,
}

/** Short calls as gRPC makes them. nginx answers none with trailers of its own: the origin is ours. */
export const unary: Scenario = loadScenario({
  name: 'unary',
  description:
    'POST of 200 bytes, answered with 200 bytes and trailers by an origin of ours over HTTP/2 and HTTP/3, on loopback: 300 calls a second, and 16 at a time',
  origins: { [ORIGIN]: { kind: 'unary' } },
  cases: [
    {
      ...CASE,
      name: '300 a second',
      arrival: { kind: 'open', perSecond: 300, spacing: 'poisson', maxInFlight: 128 },
    },
    { ...CASE, name: '16 at a time', arrival: { kind: 'closed', concurrency: 16 }, isLong: true },
  ],
  columns: COMMON_COLUMNS,
  compared: ['cpuMsPerRequest', 'p50Ms'],
  limits: ['grpc-js checks status and framing of each answer, the others its length: they do less'],
})
