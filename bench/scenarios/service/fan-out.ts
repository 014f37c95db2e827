import { GOT, NODE_HTTP2, ours, theirs, UNDICI } from '../../lib/clients/load-clients.ts'
import { get } from '../../lib/load-requests.ts'
import { loadScenario } from '../../lib/load-scenario.ts'
import type { LoadSubject } from '../../lib/load-subject.ts'
import { COMMON_COLUMNS } from '../../lib/load-tables.ts'
import type { Scenario } from '../../lib/scenario.ts'

const ORIGINS = 20
const EXTRA = { isExtra: true } as const

const SUBJECTS: readonly LoadSubject[] = [
  ours('http/1.1', 'nginx'),
  ours('h2', 'nginx', EXTRA),
  theirs('undici', UNDICI, 'http/1.1', 'nginx'),
  theirs('got', GOT, 'http/1.1', 'nginx', EXTRA),
  theirs('node:http2', NODE_HTTP2, 'h2', 'nginx', EXTRA),
  ours('h2', 'caddy', EXTRA),
  ours('h3', 'caddy'),
]

/** Many origins at once: pools, and what they hold. */
export const fanOut: Scenario = loadScenario({
  name: 'fan-out',
  description: `requests of 1 KB, 40 at a time, in turns to ${ORIGINS} origins (ports of one server) on loopback`,
  origins: { nginx: { kind: 'nginx', ports: ORIGINS }, caddy: { kind: 'caddy', ports: ORIGINS } },
  cases: [
    {
      name: `1k x 40, ${ORIGINS} origins`,
      subjects: SUBJECTS,
      requests: [get('1k')],
      arrival: { kind: 'closed', concurrency: 40 },
      warmUpRequests: 200,
    },
  ],
  columns: COMMON_COLUMNS,
  compared: ['cpuMsPerRequest', 'p50Ms'],
  limits: ['the origins are one server under one certificate: names and addresses are not looked up'],
})
