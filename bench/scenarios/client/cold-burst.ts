import type { Scenario } from '../../lib/scenario.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import { CALLS, get, MIDDLEMILE, subject, UNDICI } from '../../load/load-tables.ts'

const BURST = 100
const H1 = { protocol: 'http/1.1' } as const

/** 100 requests at once to an unknown origin: how many connections, how long for all of them. */
export const coldBurst: Scenario = loadScenario({
  name: 'cold-burst',
  description: `${BURST} requests of 1 KB at once through a new client to an nginx origin over TLS 1.3; undici and middlemile as they come, undici-64 held to 64 connections`,
  origins: { nginx: { kind: 'nginx', hasHttp1Alone: true } },
  cases: [
    {
      name: '1k',
      subjects: [
        subject('undici', CALLS.undiciRequest, 'nginx', H1),
        subject('undici-64', CALLS.undiciRequest, 'nginx', { ...H1, connections: 64, isExtra: true }),
        subject('middlemile', CALLS.middlemileRequest, 'nginx', H1),
      ],
      requests: [get('1k')],
      arrival: { kind: 'bursts', requests: BURST, pauseMs: 0 },
      client: 'fresh',
      maxRequests: BURST,
      timeFactor: 5,
      // Bursts are short: one that a neighbor on the machine disturbed must not decide.
      repeats: 5,
      warmUps: 5,
    },
  ],
  columns: ['connections', 'wallMs', 'cpuSeconds', 'failures'],
  compared: ['wallMs'],
  references: name => (name.startsWith('middlemile') ? ['undici', 'undici-64'] : []),
})

const REQUESTS = 20_000
const CONCURRENCY = 64
const OURS = 'middlemile h2'

/** How many connections do 20,000 requests take, 64 at a time, with a client that knows nothing yet? */
export const reuseH2: Scenario = loadScenario({
  name: 'reuse-h2',
  description: `${REQUESTS} requests of 1 KB, ${CONCURRENCY} at a time, each round through a new client, to one nginx origin over TLS 1.3`,
  origins: { nginx: { kind: 'nginx' } },
  cases: [
    {
      name: '1k',
      subjects: [
        subject('undici h2', UNDICI, 'nginx', { protocol: 'h2', connections: 1, isExtra: true }),
        subject('undici h1', UNDICI, 'nginx', { ...H1, connections: CONCURRENCY }),
        subject('middlemile h1', MIDDLEMILE, 'nginx', { ...H1, isExtra: true }),
        subject(OURS, MIDDLEMILE, 'nginx', { protocol: 'h2' }),
      ],
      requests: [get('1k')],
      arrival: { kind: 'closed', concurrency: CONCURRENCY },
      client: 'fresh',
      maxRequests: REQUESTS,
      // Far more than it takes: a subject that hangs must not hang the bench.
      timeFactor: 10,
      // Nothing to warm: it is the start that is looked at, and counted are connections.
      warmUps: 0,
      aims: [
        { subject: OURS, metric: 'connections', atMost: 2 },
        { subject: OURS, metric: 'reuseRatio', atLeast: 0.999 },
      ],
    },
  ],
  columns: ['connections', 'reuseRatio', 'requests', 'failures', 'requestsPerSecond'],
  compared: ['connections'],
  references: () => [],
})
