import type { ClientModule, LoadSubject } from '../load-subject.ts'

export const MIDDLEMILE = published('middlemile', 'middlemile')
export const UNDICI = published('undici', 'undici')
export const NODE_HTTP2 = published('node-http2', 'nodeHttp2')
export const NODE_HTTP2_DEFAULTS = published('node-http2', 'nodeHttp2Defaults')
export const CURL = published('curl', 'curl')
export const MIDDLEMILE_HTTP2_CONNECTION = own('connection-clients', 'middlemileHttp2Connection')
export const MIDDLEMILE_HTTP3_CONNECTION = own('connection-clients', 'middlemileHttp3Connection')
/** Above dispatch: what users of a library type. */
export const CALLS = {
  undiciRequest: own('call-clients', 'undiciRequest'),
  undiciFetch: own('call-clients', 'undiciFetch'),
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
  return { module: new URL(`../../../src/bench/clients/${file}.js`, import.meta.url).href, make }
}

function own(file: string, make: string): ClientModule {
  return { module: new URL(`../../clients/${file}.js`, import.meta.url).href, make }
}
