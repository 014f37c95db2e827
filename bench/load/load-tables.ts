import type { RequestKind } from '../../src/bench/load/load-job.ts'
import { BODY_SIZES } from '../lib/body-sizes.ts'
import type { OriginPlan } from './load-origin-config.ts'
import type { CongestionControl } from './load-path.ts'
import type { ClientModule, LoadSubject } from './load-subject.ts'

const BYTES = { ...BODY_SIZES, '10k': 10_240, '1m': 1_048_576 } as const

/** A file of every origin. `weight`: how often beside the others. */
export function get(size: keyof typeof BYTES, weight = 1): RequestKind {
  return { label: size, method: 'GET', path: `/${size}`, expectedBytes: BYTES[size], weight }
}

/** So many bytes to a place that answers when it has them all. */
export function upload(size: keyof typeof BYTES): RequestKind {
  return { label: size, method: 'POST', path: '/sink', uploadBytes: BYTES[size] }
}

/** A call as gRPC makes it: 200 bytes there, 200 bytes and trailers back. */
export const UNARY_CALL: RequestKind = {
  label: 'call',
  method: 'POST',
  path: '/middlemile.bench.Calls/Unary',
  headers: ['content-type', 'application/grpc', 'te', 'trailers'],
  uploadBytes: 200,
  expectedBytes: 200,
}

/**
 * caddy speaks all three protocols: at it they can be compared. nginx stands beside it for the two over TCP.
 */
export const BOTH_ORIGINS: Readonly<Record<string, OriginPlan>> = {
  caddy: { kind: 'caddy' },
  nginx: { kind: 'nginx' },
}

/**
 * And our own listener beside it for QUIC, which takes up the congestion control of the path: under loss it
 * is the sender's that is measured.
 */
export function originsUnderLoss(congestionControl: CongestionControl): Readonly<Record<string, OriginPlan>> {
  return { ...BOTH_ORIGINS, own: { kind: 'own', congestionControl } }
}

const EXTRA = { isExtra: true } as const

/**
 * Every client at both origins. With HTTP/1.1 each has at most so many connections, or as many as it likes:
 * who may have fewer than there are requests makes them wait.
 */
export function everyClient(http1Connections = 0): readonly LoadSubject[] {
  const h1: SubjectTraits = { connections: http1Connections }
  const extraH1 = { ...h1, ...EXTRA }
  return [
    ours('http/1.1', 'caddy', extraH1),
    ours('h2', 'caddy'),
    ours('h3', 'caddy'),
    oursAuto('caddy', EXTRA),
    theirs('undici', UNDICI, 'http/1.1', 'caddy', extraH1),
    theirs('node:http2', NODE_HTTP2, 'h2', 'caddy', EXTRA),
    ours('http/1.1', 'nginx', extraH1),
    ours('h2', 'nginx', EXTRA),
    theirs('undici', UNDICI, 'http/1.1', 'nginx', extraH1),
    theirs('got', GOT, 'http/1.1', 'nginx', extraH1),
    theirs('node:http2', NODE_HTTP2, 'h2', 'nginx', EXTRA),
  ]
}

/** What nearly every table has. */
export const COMMON_COLUMNS = [
  'p50Ms',
  'p90Ms',
  'p99Ms',
  'maxMs',
  'requestsPerSecond',
  'requests',
  'failures',
  'cpuMsPerRequest',
  'originCpuMsPerRequest',
  'rssMiB',
  'connections',
] as const

export const MIDDLEMILE = published('middlemile', 'middlemile')
export const UNDICI = published('undici', 'undici')
export const NODE_HTTP2 = published('node-http2', 'nodeHttp2')
export const NODE_HTTP2_DEFAULTS = published('node-http2', 'nodeHttp2Defaults')
export const CURL = published('curl', 'curl')
export const MIDDLEMILE_HTTP2_CONNECTION = own('connection-clients', 'middlemileHttp2Connection')
export const MIDDLEMILE_HTTP3_CONNECTION = own('connection-clients', 'middlemileHttp3Connection')
/** What users of a library type, without the times that the instrument's own clients keep. */
export const CALLS = {
  undiciRequest: own('call-clients', 'undiciRequest'),
  undiciFetch: own('call-clients', 'undiciFetch'),
  middlemileDispatch: own('call-clients', 'middlemileDispatch'),
  middlemileRequest: own('call-clients', 'middlemileRequest'),
  middlemileFetch: own('call-clients', 'middlemileFetch'),
}
export const GOT = own('got-client', 'gotClient')
export const GRPC_JS = own('grpc-client', 'grpcClient')

/** Of a client that reads one response slowly beside the load. */
export function besideSlowReader({ make }: ClientModule): ClientModule {
  return own('slow-reader-clients', `${make}BesideSlowReader`)
}

export type HeldProtocol = NonNullable<LoadSubject['protocol']>

const SHORT = { 'http/1.1': 'h1', h2: 'h2', h3: 'h3' } as const

export interface SubjectTraits extends Partial<LoadSubject['setting']> {
  /** Of the name, behind what is said anyway. */
  readonly words?: string
  readonly keepsTickets?: boolean
  readonly isExtra?: boolean
}

/** One under a name of its own. `protocol`: what it is held to, and has to be carried by. */
export function subject(
  name: string,
  client: ClientModule,
  origin: string,
  {
    protocol,
    handshake,
    ...traits
  }: Omit<SubjectTraits, 'words'> & Pick<LoadSubject, 'protocol' | 'handshake'>,
): LoadSubject {
  const held = protocol === undefined ? traits : { protocols: [protocol], ...traits }
  return {
    ...subjectOf(name, client, origin, held),
    name,
    ...(protocol !== undefined && { protocol }),
    ...(handshake !== undefined && { handshake }),
  }
}

/** `middlemile h2 at caddy`: our transport, held to that protocol. */
export function ours(protocol: HeldProtocol, origin: string, traits: SubjectTraits = {}): LoadSubject {
  return theirs('middlemile', MIDDLEMILE, protocol, origin, traits)
}

/** `middlemile auto at caddy`: the same as it comes. It chooses. */
export function oursAuto(origin: string, traits: SubjectTraits = {}): LoadSubject {
  return subjectOf('middlemile auto', MIDDLEMILE, origin, traits)
}

/** Another library, held to a protocol. */
export function theirs(
  library: string,
  client: ClientModule,
  protocol: HeldProtocol,
  origin: string,
  traits: SubjectTraits = {},
): LoadSubject {
  const held = { protocols: [protocol], ...traits }
  return { ...subjectOf(`${library} ${SHORT[protocol]}`, client, origin, held), protocol }
}

function subjectOf(name: string, client: ClientModule, origin: string, traits: SubjectTraits): LoadSubject {
  const { words, keepsTickets = false, isExtra = false, ...setting } = traits
  return {
    name: `${name}${words === undefined ? '' : ` ${words}`} at ${origin}`,
    client,
    origin,
    setting: { connections: 0, ...setting },
    keepsTickets,
    isExtra,
  }
}

function published(file: string, make: string): ClientModule {
  return { module: new URL(`../../src/bench/clients/${file}.js`, import.meta.url).href, make }
}

function own(file: string, make: string): ClientModule {
  return { module: new URL(`../clients/${file}.js`, import.meta.url).href, make }
}
