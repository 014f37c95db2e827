import { isIP } from 'node:net'
import type { Origin } from '../../index.ts'
import type { TargetKind } from './proxy-target.ts'

/** What clients may name: an entry of `allow`. */
export interface AllowEntry {
  /** A host in lower case, `*.suffix`, or `*`; IPv6 without brackets. */
  readonly host: string
  /** Undefined: each kind but `udp`, which is allowed by name only. */
  readonly kind: TargetKind | undefined
  /** Undefined: the usual one of the kind, 80 or 443. */
  readonly ports: readonly number[] | undefined
}

const ENTRY = /^(?:(http|https|connect|udp):\/\/)?(\[[0-9a-f:.]+\]|[^:/[\]\s]+)(?::(\d{1,5}(?:,\d{1,5})*))?$/
const NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/
/** WHATWG URL 3.5: a name that ends so is an address, or nothing. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/

/** `[scheme://]host[:port[,port…]]`. A string: what is wrong with it. */
export function parseAllowEntry(text: string): AllowEntry | string {
  const form =
    'must be HOST, *.SUFFIX or ADDRESS, with ports (host:8080,8443) and http://, https://, connect:// or udp://'
  const match = ENTRY.exec(text.toLowerCase())
  if (match === null) return form
  const [, kind, written = '', listed] = match
  const host = written.startsWith('[') ? written.slice(1, -1) : written
  if (written.startsWith('[')) {
    if (isIP(host) !== 6) return form
    const usual = new URL(`http://${written}`).hostname
    if (usual !== written) return `no request names it so: write ${usual}`
  } else if (host !== '*' && !NAME.test(host)) return form
  else if (ENDS_IN_NUMBER.test(host) && isIP(host) !== 4) return form
  const ports = listed?.split(',').map(Number)
  if (ports?.some(port => port < 1 || port > 65_535) === true) return 'a port is from 1 to 65535'
  return { host, kind: kind as TargetKind | undefined, ports } // as: one of the four, by the expression
}

const USUAL_PORTS: Readonly<Record<TargetKind, number>> = {
  http: 80,
  https: 443,
  connect: 443,
  udp: 443,
}

/** What clients may name. Costs one look-up for each label of a host, however long the list is. */
export class AllowList {
  readonly #byHost = new Map<string, AllowEntry[]>()

  constructor(entries: readonly AllowEntry[]) {
    for (const entry of entries) {
      const known = this.#byHost.get(entry.host)
      if (known === undefined) this.#byHost.set(entry.host, [entry])
      else known.push(entry)
    }
  }

  has(
    kind: TargetKind,
    { host: written, port, ipFamily }: Pick<Origin, 'host' | 'port' | 'ipFamily'>,
  ): boolean {
    const host = written.endsWith('.') ? written.slice(0, -1) : written
    if (this.#takes(host, kind, port) || this.#takes('*', kind, port)) return true
    if (ipFamily !== 0) return false
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1))
      if (this.#takes(`*${host.slice(dot)}`, kind, port)) return true
    return false
  }

  #takes(pattern: string, kind: TargetKind, port: number): boolean {
    return (
      this.#byHost
        .get(pattern)
        ?.some(
          entry =>
            (entry.kind === undefined ? kind !== 'udp' : entry.kind === kind) &&
            (entry.ports?.includes(port) ?? port === USUAL_PORTS[kind]),
        ) === true
    )
  }
}
