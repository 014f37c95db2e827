import type { Aim } from '../../../src/bench/results/scenario-result.ts'
import type { Scenario } from '../../lib/scenario.ts'
import type { LoadCase } from '../../load/load-case.ts'
import type { OriginPlan } from '../../load/load-origin-config.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import type { ClientModule, LoadSubject } from '../../load/load-subject.ts'
import {
  CALLS,
  get,
  MIDDLEMILE_HTTP2_CONNECTION,
  MIDDLEMILE_HTTP3_CONNECTION,
  NODE_HTTP2,
  subject,
  UNDICI,
} from '../../load/load-tables.ts'

/*
 * What a request, and a byte, costs a client, without any ingress.
 */

const REQUESTS = 'requestsPerCpuSecond'
const MEGABYTES = 'megabytesPerCpuSecond'
const COLUMNS = [
  REQUESTS,
  MEGABYTES,
  'cpuMsPerRequest',
  'requestsPerSecond',
  'connections',
  'rssMiB',
  'cpuShare',
  'failures',
]

/** Nobody closes what is idle while the others have their turn. */
const IDLE = { idleTimeoutMs: 600_000 } as const
/** A moment to get going again counts for nobody. */
const START_SECONDS = 0.2

const CONCURRENCY = 50
const DOORS: Readonly<Record<string, ClientModule>> = {
  'undici dispatch': UNDICI,
  'middlemile dispatch': CALLS.middlemileDispatch,
  'undici request': CALLS.undiciRequest,
  'middlemile request': CALLS.middlemileRequest,
  'undici fetch': CALLS.undiciFetch,
  'middlemile fetch': CALLS.middlemileFetch,
}

/** Each call of ours beside the same call of undici. */
export const client: Scenario = loadScenario({
  name: 'client',
  description: `${CONCURRENCY} requests at a time on ${CONCURRENCY} connections, nginx origin over TLS 1.3 with HTTP/1.1, no ingress`,
  origins: { nginx: { kind: 'nginx', hasHttp1Alone: true } },
  hasOwnProcesses: true,
  // A large body measures TLS and memory copies, not the client.
  cases: (['1k', '100k'] as const).map(size => ({
    name: size,
    size,
    subjects: Object.entries(DOORS).map(([name, module]) =>
      subject(name, module, 'nginx', {
        ...IDLE,
        connections: CONCURRENCY,
        protocol: 'http/1.1',
        isExtra: !name.endsWith('dispatch'),
      }),
    ),
    requests: [get(size)],
    arrival: { kind: 'closed', concurrency: CONCURRENCY },
    warmUpSeconds: START_SECONDS,
    isCountOnly: true,
  })),
  columns: COLUMNS,
  compared: [REQUESTS],
  references: name => (name.startsWith('middlemile') ? [name.replace('middlemile', 'undici')] : []),
})

type Placement = 'together' | 'apart'

/** What clients are made to do. */
interface Work {
  readonly size: '1k' | '100k' | '200m'
  readonly concurrency: number
  readonly placement: Placement
  readonly aims?: readonly Aim[]
  /** Of its size the one that a quick run has. */
  readonly isQuick?: boolean
}

/** Those that a scenario has at a placement of its origins, each as its users would drive it. */
type SubjectsAt = (concurrency: number, placement: Placement) => readonly LoadSubject[]

function casesOf(works: readonly Work[], subjectsAt: SubjectsAt): readonly LoadCase[] {
  return works.map(({ size, concurrency, placement, aims = [], isQuick = false }) => ({
    name: `${size} x ${concurrency}, ${placement}`,
    size,
    subjects: subjectsAt(concurrency, placement),
    requests: [get(size)],
    arrival: { kind: 'closed', concurrency },
    // Large bodies whole, and nothing else: a first one that does not count would take as long.
    ...(size !== '200m' && { warmUpSeconds: START_SECONDS }),
    compared: [size === '1k' ? REQUESTS : MEGABYTES],
    aims,
    // A client's own CPU time is known by the microsecond: rounds need not be as long as where it is ticks.
    timeFactor: 0.5,
    isCountOnly: true,
    isLong: !isQuick,
  }))
}

function bothPlaces(name: string, plan: OriginPlan): Record<string, OriginPlan> {
  return { [`${name} together`]: { ...plan, isOnClientCpu: true }, [`${name} apart`]: plan }
}

/** Compared with all others. */
function onlyOf(ours: string): (name: string) => readonly string[] {
  const others = ['node:http2', 'undici h2', 'undici h1', 'middlemile h1', 'middlemile h2']
  const connections = ['middlemile h2 connection', 'middlemile h3 connection']
  return name => (name === ours ? [...others, ...connections].filter(other => other !== ours) : [])
}

const OURS_H2 = 'middlemile h2'
const MANY_REQUESTS_H2: readonly Aim[] = [{ subject: OURS_H2, metric: REQUESTS, atLeast: 200_000 }]
const MANY_BYTES_H2: readonly Aim[] = [{ subject: OURS_H2, metric: MEGABYTES, atLeast: 1_400 }]

/** HTTP/1.1 on as many connections as there are requests at a time, HTTP/2 on one. */
const http2SubjectsAt: SubjectsAt = (concurrency, placement) => {
  const nginx = `nginx ${placement}`
  const [h1, h2] = [{ ...IDLE, protocol: 'http/1.1' } as const, { ...IDLE, protocol: 'h2' } as const]
  return [
    subject('node:http2', NODE_HTTP2, nginx, { ...h2, connections: 1 }),
    subject('undici h2', UNDICI, nginx, { ...h2, connections: 1, isExtra: true }),
    subject('undici h1', UNDICI, nginx, { ...h1, connections: concurrency, isExtra: true }),
    subject('middlemile h1', CALLS.middlemileDispatch, nginx, {
      ...h1,
      connections: concurrency,
      isExtra: true,
    }),
    subject('middlemile h2 connection', MIDDLEMILE_HTTP2_CONNECTION, nginx, { ...h2, isExtra: true }),
    // Connections as it likes: that it takes one is part of what is measured.
    subject(OURS_H2, CALLS.middlemileDispatch, nginx, h2),
  ]
}

/** A client that speaks HTTP/2, beside node:http2, undici and HTTP/1.1. */
export const clientH2: Scenario = loadScenario({
  name: 'client-h2',
  description:
    'GET from one nginx origin over TLS 1.3, HTTP/2 or HTTP/1.1 by ALPN, no ingress; HTTP/1.1 on as many connections as requests at a time; the origin on the CPU of the client (together) or on another one (apart)',
  origins: bothPlaces('nginx', { kind: 'nginx' }),
  hasOwnProcesses: true,
  cases: casesOf(
    [
      { size: '1k', concurrency: 1, placement: 'together' },
      { size: '1k', concurrency: 32, placement: 'together' },
      { size: '1k', concurrency: 100, placement: 'together', aims: MANY_REQUESTS_H2 },
      { size: '1k', concurrency: 100, placement: 'apart', aims: MANY_REQUESTS_H2, isQuick: true },
      { size: '100k', concurrency: 32, placement: 'together', aims: MANY_BYTES_H2 },
      { size: '100k', concurrency: 32, placement: 'apart', aims: MANY_BYTES_H2, isQuick: true },
      { size: '200m', concurrency: 1, placement: 'together', aims: MANY_BYTES_H2 },
      { size: '200m', concurrency: 1, placement: 'apart', aims: MANY_BYTES_H2, isQuick: true },
    ],
    http2SubjectsAt,
  ),
  columns: COLUMNS,
  compared: [REQUESTS],
  references: onlyOf(OURS_H2),
})

const OURS_H3 = 'middlemile h3'
const MANY_REQUESTS_H3: readonly Aim[] = [
  { subject: OURS_H3, metric: REQUESTS, atLeast: 40_000 },
  { subject: OURS_H3, metric: REQUESTS, to: 'node:http2', atLeast: 2 },
]
const MANY_BYTES_H3: readonly Aim[] = [{ subject: OURS_H3, metric: MEGABYTES, atLeast: 150 }]

/** HTTP/1.1 on as many connections as there are requests at a time, the others on one. */
const http3SubjectsAt: SubjectsAt = (concurrency, placement) => {
  const [nginx, own] = [`nginx ${placement}`, `own ${placement}`]
  const [h2, h3] = [{ ...IDLE, protocol: 'h2' } as const, { ...IDLE, protocol: 'h3' } as const]
  const h1 = { ...IDLE, protocol: 'http/1.1', connections: concurrency, isExtra: true } as const
  return [
    subject('node:http2', NODE_HTTP2, nginx, { ...h2, connections: 1 }),
    subject('undici h2', UNDICI, nginx, { ...h2, connections: 1, isExtra: true }),
    subject('undici h1', UNDICI, nginx, h1),
    subject('middlemile h2', CALLS.middlemileDispatch, nginx, { ...h2, isExtra: true }),
    subject('middlemile h3 connection', MIDDLEMILE_HTTP3_CONNECTION, own, { ...h3, isExtra: true }),
    // Connections as it likes: that it takes one at a time is part of what is measured.
    subject(OURS_H3, CALLS.middlemileDispatch, own, h3),
  ]
}

/** A client that speaks HTTP/3, beside HTTP/2 and HTTP/1.1. */
export const clientH3: Scenario = loadScenario({
  name: 'client-h3',
  description:
    'GET over TLS 1.3, no ingress: HTTP/3 from our own origin, which answers as nginx does, HTTP/2 and HTTP/1.1 from nginx; HTTP/1.1 on as many connections as requests at a time; the origins on the CPU of the client (together) or on another one (apart)',
  origins: { ...bothPlaces('nginx', { kind: 'nginx' }), ...bothPlaces('own', { kind: 'own' }) },
  hasOwnProcesses: true,
  cases: casesOf(
    [
      { size: '1k', concurrency: 1, placement: 'together' },
      { size: '1k', concurrency: 100, placement: 'together', aims: MANY_REQUESTS_H3 },
      { size: '1k', concurrency: 100, placement: 'apart', aims: MANY_REQUESTS_H3, isQuick: true },
      { size: '200m', concurrency: 1, placement: 'together', aims: MANY_BYTES_H3 },
      { size: '200m', concurrency: 1, placement: 'apart', aims: MANY_BYTES_H3, isQuick: true },
    ],
    http3SubjectsAt,
  ),
  columns: COLUMNS,
  compared: [REQUESTS],
  references: onlyOf(OURS_H3),
})
