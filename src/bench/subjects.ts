import type { ClientSetting } from './load/bench-client.ts'

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
