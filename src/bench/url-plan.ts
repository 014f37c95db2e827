import type { PathConditions } from './impair/conditions.ts'
import type { ClientSetting } from './load/bench-client.ts'
import type { Arrival, LoadJob, RequestKind } from './load/load-job.ts'

type Protocol = NonNullable<ClientSetting['protocols']>[number]

/** Who is measured: a client library in one manner. */
export interface UrlSubject {
  /** As it was asked for, `h2x2`. */
  readonly name: string
  /** Of src/bench/clients/: the file, without its ending, and its export. */
  readonly client: ClientProgram
  /** Undefined: the client chooses. */
  readonly protocol: Protocol | undefined
  /** 0: as many as the client likes. */
  readonly connections: number
}

interface ClientProgram {
  readonly file: string
  readonly make: string
  /** Every request is cold, whatever the job says. */
  readonly isColdOnly?: boolean
}

const OURS: ClientProgram = { file: 'middlemile', make: 'middlemile' }

/** Others by the names that users give them, each with what it speaks unless that is set. */
const OTHERS: Readonly<Record<string, { readonly program: ClientProgram; readonly protocol: Protocol }>> = {
  undici: { program: { file: 'undici', make: 'undici' }, protocol: 'http/1.1' },
  'node:http2': { program: { file: 'node-http2', make: 'nodeHttp2' }, protocol: 'h2' },
  curl: { program: { file: 'curl', make: 'curl', isColdOnly: true }, protocol: 'http/1.1' },
}

const PROTOCOLS: readonly Protocol[] = ['http/1.1', 'h2', 'h3']
/** More connections to one origin than anybody should have. */
const MAX_CONNECTIONS = 1_000

/** `http/1.1x6,h2,h2x2,h3,auto`: our own transport in these manners. Throws a RangeError for what is none. */
export function protocolSubjects(list: string): readonly UrlSubject[] {
  return namesOf(list).map(name => {
    const { word, connections } = counted(name)
    const protocol = word === 'auto' ? undefined : PROTOCOLS.find(known => known === word)
    if (protocol === undefined && word !== 'auto')
      throw new RangeError(
        `no protocol called ${JSON.stringify(name)}: ${PROTOCOLS.join(', ')} or auto, with xN behind it for N connections`,
      )
    return { name, client: OURS, protocol, connections }
  })
}

/** `undici,undici:h2,node:http2x2,curl`: other clients. Throws a RangeError for what is none. */
export function otherSubjects(list: string): readonly UrlSubject[] {
  return namesOf(list).map(name => {
    const { word, connections } = counted(name)
    const library = Object.keys(OTHERS).find(known => word === known || word.startsWith(`${known}:`))
    const other = OTHERS[library ?? '']
    const asked = word.slice((library?.length ?? 0) + 1)
    const protocol = asked === '' ? other?.protocol : PROTOCOLS.find(known => known === asked)
    if (other === undefined || protocol === undefined)
      throw new RangeError(
        `no client called ${JSON.stringify(name)}: ${Object.keys(OTHERS).join(', ')}, with :PROTOCOL and xN behind it`,
      )
    return { name, client: other.program, protocol, connections }
  })
}

function namesOf(list: string): string[] {
  const names = list.split(',').map(name => name.trim())
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new RangeError(`${JSON.stringify(twice)} stands there twice`)
  return names
}

function counted(name: string): { word: string; connections: number } {
  const [, word = name, count] = /^(.*?)(?:x(\d+))?$/.exec(name) ?? []
  const connections = Number(count ?? 0)
  if (count === undefined || (connections > 0 && connections <= MAX_CONNECTIONS)) return { word, connections }
  throw new RangeError(`${JSON.stringify(name)} must have 1 to ${MAX_CONNECTIONS} connections`)
}

export type { Conditions, LossBursts, PathConditions } from './impair/conditions.ts'

/** What is measured at one URL. */
export interface UrlPlan {
  readonly url: URL
  /** The first is the one that all others are compared with. */
  readonly subjects: readonly UrlSubject[]
  readonly request: RequestKind
  readonly arrival: Arrival
  /** Of each subject, before the first round. */
  readonly warmUp: LoadJob['warmUp']
  /** Of each subject in each round. */
  readonly measure: LoadJob['measure']
  readonly rounds: number
  readonly seed: number
  /** Every request has a client of its own, and so a new connection. */
  readonly isCold: boolean
  /** Tickets outlive a client. */
  readonly isResumed: boolean
  readonly isEarly: boolean
  /** PEM. */
  readonly ca: string | undefined
  /** `HOST:PORT` to IP. */
  readonly resolve: Readonly<Record<string, string>>
  /** Relays stand on the path; undefined: it is as it is. */
  readonly conditions: PathConditions | undefined
}

/** 443 or 80 where the URL has none. */
export function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

/** Without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/** One sentence: what is done. */
export function describePlan(plan: UrlPlan): string {
  const { request, url, isCold, isResumed, isEarly, rounds, measure } = plan
  const how = isEarly
    ? ', a new connection for each, resumed and in early data'
    : isResumed
      ? ', a new connection for each, resumed'
      : isCold
        ? ', a new connection for each'
        : ''
  const length = [
    ...(Number.isFinite(measure.seconds) ? [`${measure.seconds} s`] : []),
    ...(Number.isFinite(measure.requests) ? [`${measure.requests} requests`] : []),
  ]
  return `${request.method} ${url.href}: ${describeArrival(plan.arrival)}${how}; ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${length.join(' or ')}`
}

function describeArrival(arrival: Arrival): string {
  switch (arrival.kind) {
    case 'closed':
      return `${arrival.concurrency} requests at a time (closed loop)`
    case 'open':
      return `${arrival.perSecond} requests/s, ${arrival.spacing === 'poisson' ? 'at random times' : 'evenly'}, whatever became of those before (open loop)`
    case 'bursts':
      break
  }
  const pause = arrival.pauseMs === 0 ? '' : ` after ${arrival.pauseMs} ms of silence`
  return `${arrival.requests} requests at once, again and again${pause}`
}
