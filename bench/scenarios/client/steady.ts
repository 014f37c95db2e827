import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import type { LoadSubject } from '../../load/load-subject.ts'
import {
  BOTH_ORIGINS,
  CALLS,
  COMMON_COLUMNS,
  everyClient,
  GOT,
  GRPC_JS,
  get,
  NODE_HTTP2,
  ours,
  subject,
  theirs,
  UNARY_CALL,
  UNDICI,
} from '../../load/load-tables.ts'

const WARM_CASE = { subjects: everyClient(), requests: [get('1k')], warmUpRequests: 200 } as const

/** Small requests over connections that are open: at a rate that leaves everybody time, and as many as go. */
export const warmSmall: Scenario = loadScenario({
  name: 'warm-small',
  description:
    '1 KB over open connections on loopback: 300 requests a second, whose times count from when they were due, and 32 at a time',
  origins: BOTH_ORIGINS,
  cases: [
    {
      ...WARM_CASE,
      name: '300 a second',
      arrival: { kind: 'open', perSecond: 300, spacing: 'poisson', maxInFlight: 256 },
    },
    { ...WARM_CASE, name: '32 at a time', arrival: { kind: 'closed', concurrency: 32 }, isLong: true },
  ],
  columns: [...COMMON_COLUMNS, 'lateRequests', 'lateMs'],
  compared: ['cpuMsPerRequest', 'p50Ms'],
})

const ORIGIN = 'our origin'
const EXTRA = { isExtra: true } as const

const UNARY_SUBJECTS: readonly LoadSubject[] = [
  ours('h2', ORIGIN),
  ours('h3', ORIGIN),
  theirs('grpc-js', GRPC_JS, 'h2', ORIGIN),
  theirs('node:http2', NODE_HTTP2, 'h2', ORIGIN, EXTRA),
  theirs('undici', UNDICI, 'h2', ORIGIN, EXTRA),
]

const UNARY_CASE: Pick<LoadCase, 'subjects' | 'requests' | 'warmUpRequests'> = {
  subjects: UNARY_SUBJECTS,
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
      ...UNARY_CASE,
      name: '300 a second',
      arrival: { kind: 'open', perSecond: 300, spacing: 'poisson', maxInFlight: 128 },
    },
    { ...UNARY_CASE, name: '16 at a time', arrival: { kind: 'closed', concurrency: 16 }, isLong: true },
  ],
  columns: COMMON_COLUMNS,
  compared: ['cpuMsPerRequest', 'p50Ms'],
  limits: ['grpc-js checks status and framing of each answer, the others its length: they do less'],
})

/** Node's own socket in place of ours, for a whole process. */
const DGRAM = { MIDDLEMILE_UDP: 'dgram' } as const
const H3 = { protocol: 'h3', idleTimeoutMs: 600_000 } as const

const BATCHES = 'batches on both sides'
const UDP_SUBJECTS: readonly LoadSubject[] = [
  subject(BATCHES, CALLS.middlemileDispatch, 'batches', H3),
  { ...subject('dgram at the client', CALLS.middlemileDispatch, 'batches', H3), environment: DGRAM },
  subject('dgram at the server', CALLS.middlemileDispatch, 'dgram', H3),
  { ...subject('dgram on both sides', CALLS.middlemileDispatch, 'dgram', H3), environment: DGRAM },
]

const UDP_WORK = [
  { size: '1k', concurrency: 1 },
  { size: '1k', concurrency: 100 },
  { size: '10m', concurrency: 1 },
  { size: '200m', concurrency: 1 },
] as const

/** What sending and receiving datagrams in batches saves either side. */
export const udpSockets: Scenario = loadScenario({
  name: 'udp-sockets',
  description:
    'our HTTP/3 client and listener on loopback, each on a CPU of its own, with datagrams in batches (GSO and GRO) and one by one through node:dgram (MIDDLEMILE_UDP=dgram)',
  origins: { batches: { kind: 'own' }, dgram: { kind: 'own', environment: DGRAM } },
  cases: UDP_WORK.map(({ size, concurrency }) => ({
    name: `${size} x ${concurrency}`,
    size,
    subjects: UDP_SUBJECTS,
    requests: [get(size)],
    arrival: { kind: 'closed', concurrency },
    ...(size === '1k' && { warmUpSeconds: 0.2 }),
    isCountOnly: true,
  })),
  columns: [
    'requestsPerCpuSecond',
    'megabytesPerCpuSecond',
    'cpuMsPerRequest',
    'originCpuMsPerRequest',
    'requestsPerSecond',
    'connections',
    'failures',
  ],
  compared: ['cpuMsPerRequest', 'originCpuMsPerRequest', 'requestsPerSecond'],
  references: name =>
    name === BATCHES ? UDP_SUBJECTS.map(one => one.name).filter(other => other !== name) : [],
})

/** The same for one large body over a long way, where the way and the windows decide and not the CPU. */
export const udpLink: Scenario = loadScenario({
  name: 'udp-link',
  description:
    '200 MB from our listener over 40 ms of round trip without loss, with datagrams in batches on both sides and one by one',
  way: 'cubic',
  needsPackets: true,
  origins: { batches: { kind: 'own' }, dgram: { kind: 'own', environment: DGRAM } },
  cases: [
    {
      name: '200m x 1, 40 ms',
      subjects: UDP_SUBJECTS.filter(({ name }) => name.endsWith('both sides')),
      conditions: { roundTripMs: 40, lossRate: 0 },
      requests: [get('200m')],
      arrival: { kind: 'closed', concurrency: 1 },
      maxRequests: 1,
      timeFactor: 20,
    },
  ],
  columns: ['wallMs', 'cpuSeconds', 'originCpuSeconds', 'connections', 'failures'],
  compared: ['wallMs', 'cpuSeconds', 'originCpuSeconds'],
  references: name => (name === BATCHES ? ['dgram on both sides'] : []),
})

const ORIGINS = 20

const FAN_OUT_SUBJECTS: readonly LoadSubject[] = [
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
      subjects: FAN_OUT_SUBJECTS,
      requests: [get('1k')],
      arrival: { kind: 'closed', concurrency: 40 },
      warmUpRequests: 200,
    },
  ],
  columns: COMMON_COLUMNS,
  compared: ['cpuMsPerRequest', 'p50Ms'],
  limits: ['the origins are one server under one certificate: names and addresses are not looked up'],
})
