import type { Aim } from '../../../src/bench/results/scenario-result.ts'
import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import { get, MIDDLEMILE, NODE_HTTP2, NODE_HTTP2_DEFAULTS, subject, UNDICI } from '../../load/load-tables.ts'

const OBJECTS = 20
const OBJECTS_RTT_MS = 40

const OURS_H2 = 'middlemile h2'
const MANY_CONNECTIONS = ['undici h1 x20', 'middlemile h1 x20'] as const
const ONE_EACH = { protocol: 'http/1.1', connections: OBJECTS } as const
const ONE = { protocol: 'h2', connections: 1 } as const

const OBJECTS_AT_ONCE: Omit<LoadCase, 'name'> = {
  subjects: [
    subject('undici h1 x20', UNDICI, 'nginx', { ...ONE_EACH, isExtra: true }),
    subject('middlemile h1 x20', MIDDLEMILE, 'nginx', { ...ONE_EACH, isExtra: true }),
    subject('node:http2 defaults', NODE_HTTP2_DEFAULTS, 'nginx', { ...ONE, isExtra: true }),
    subject('node:http2', NODE_HTTP2, 'nginx', ONE),
    subject('undici h2', UNDICI, 'nginx', { ...ONE, isExtra: true }),
    subject(OURS_H2, MIDDLEMILE, 'nginx', ONE),
  ],
  conditions: { roundTripMs: OBJECTS_RTT_MS, lossRate: 0 },
  requests: [get('100k')],
  arrival: { kind: 'bursts', requests: OBJECTS, pauseMs: 0 },
  client: 'fresh',
  maxRequests: OBJECTS,
  timeFactor: 5,
  warmUps: 5,
  aims: MANY_CONNECTIONS.map(to => ({ subject: OURS_H2, metric: 'wallMs', to, atMost: 1.5 })),
}

/**
 * A page's worth of objects over a long path: do the windows of one connection let as much through as twenty
 * connections do?
 */
export const rttH2: Scenario = loadScenario({
  name: 'rtt-h2',
  description: `${OBJECTS} x 100 KB at once from an nginx origin over TLS 1.3 behind a relay of ${OBJECTS_RTT_MS} ms of round trip, no loss, no limit of bandwidth`,
  way: 'relays',
  origins: { nginx: { kind: 'nginx' } },
  cases: [
    { ...OBJECTS_AT_ONCE, name: 'cold' },
    // The same just before: its connections are open.
    { ...OBJECTS_AT_ONCE, name: 'warm', client: 'kept', warmUpRequests: OBJECTS, settleMs: 200 },
  ],
  columns: ['wallMs', 'roundTrips', 'failures'],
  compared: ['wallMs'],
  references: name => (name.includes('h2') || name.startsWith('node:http2') ? MANY_CONNECTIONS : []),
})

const FIRST_RTT_MS = 80
const REFERENCE = 'middlemile h2'
const FULL = 'middlemile h3'
const RESUMED = 'middlemile h3 resumed'
const EARLY = 'middlemile h3 0-RTT'

const H3 = { protocol: 'h3', connections: 1, isExtra: true } as const
const AIMS: readonly Aim[] = [
  { subject: EARLY, metric: 'roundTrips', atMost: 1.1 },
  { subject: RESUMED, metric: 'roundTrips', atMost: 2.1 },
  { subject: FULL, metric: 'roundTrips', atMost: 2.1 },
]

/**
 * How long does the first request of a new client take over a long path? That is a matter of handshakes and
 * of nothing else.
 */
export const rttH3: Scenario = loadScenario({
  name: 'rtt-h3',
  description: `the first request of a new client, 1 KB, behind relays of ${FIRST_RTT_MS} ms of round trip, no loss; HTTP/2 from nginx over TLS 1.3, HTTP/3 from our own origin`,
  way: 'relays',
  origins: { nginx: { kind: 'nginx' }, own: { kind: 'own' } },
  cases: [
    {
      name: 'first request',
      subjects: [
        subject('node:http2', NODE_HTTP2, 'nginx', { ...ONE, isExtra: true }),
        subject(REFERENCE, MIDDLEMILE, 'nginx', ONE),
        subject(FULL, MIDDLEMILE, 'own', { ...H3, handshake: 'full' }),
        subject(RESUMED, MIDDLEMILE, 'own', { ...H3, keepsTickets: true, handshake: 'resumed' }),
        subject(EARLY, MIDDLEMILE, 'own', {
          ...H3,
          keepsTickets: true,
          earlyData: true,
          handshake: 'earlyData',
          isExtra: false,
        }),
      ],
      conditions: { roundTripMs: FIRST_RTT_MS, lossRate: 0 },
      // Head and body come in one packet: when the first byte is there, all is.
      requests: [get('1k')],
      arrival: { kind: 'closed', concurrency: 1 },
      client: 'fresh',
      maxRequests: 1,
      timeFactor: 5,
      warmUps: 5,
      aims: AIMS,
    },
  ],
  columns: ['wallMs', 'roundTrips', 'failures'],
  compared: ['wallMs'],
  references: name => (name.includes('h3') ? [REFERENCE] : []),
})
