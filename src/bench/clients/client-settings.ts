import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientFacts, ClientSetting } from '../load/bench-client.ts'

/** Throws, with the reason, for what a library cannot do that is not ours. */
export function refuseSetting(
  name: string,
  { protocols = [], stateDirectory, earlyData, fastOpen }: ClientSetting,
  spoken: readonly string[],
): void {
  const strange = protocols.find(protocol => !spoken.includes(protocol))
  if (strange !== undefined) throw new Error(`${name} does not speak ${strange}`)
  if (protocols.length > 1) throw new Error(`${name} speaks one protocol at a time`)
  if (stateDirectory !== undefined) throw new Error(`${name} keeps no tickets beyond its end`)
  if (earlyData === true) throw new Error(`${name} sends no early data`)
  if (fastOpen === true) throw new Error(`${name} has no TCP Fast Open`)
}

/** Where an origin's connections really go. `port` is a number as text. */
export interface Whereabouts {
  readonly host: string
  readonly port: string
}

/** What `endpoint` and `resolve` of a setting say of an origin; undefined: it is looked up as always. */
export function whereTo(
  origin: string,
  { endpoint, resolve = {} }: Pick<ClientSetting, 'endpoint' | 'resolve'>,
): Whereabouts | undefined {
  if (endpoint !== undefined) {
    const colon = endpoint.lastIndexOf(':')
    return { host: withoutBrackets(endpoint.slice(0, colon)), port: endpoint.slice(colon + 1) }
  }
  const { hostname, port, protocol } = new URL(origin)
  const effective = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  const address = resolve[`${hostname}:${effective}`]
  return address === undefined ? undefined : { host: withoutBrackets(address), port: effective }
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}

/**
 * SelectOptions of a transport that is held to one protocol, measured in one manner: nothing is looked for,
 * tried or spread.
 */
export const UNDECIDING = { probe: 'off', altSvc: 'off', exploreShare: 0, spreadConnections: 1 } as const

/** How long a reader that takes so many bytes a second has to pause. Times in ms. */
export class ReadingPace {
  readonly #bytesPerSecond: number
  #startedAt: number | undefined
  #bytes = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond
  }

  /** The first bytes start its clock. 0: it need not pause. */
  onBytes(bytes: number, now: number): number {
    this.#startedAt ??= now
    this.#bytes += bytes
    return Math.max(0, this.#startedAt + (this.#bytes * 1000) / this.#bytesPerSecond - now)
  }
}

/** Connections of clients that hand out their sockets. Call it once a socket's handshake is complete. */
export class SocketCounts {
  readonly #opened = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  #open = 0

  add(socket: Socket): void {
    this.#open++
    if (!(socket instanceof TLSSocket)) this.#opened.cleartext++
    else if (socket.isSessionReused()) this.#opened.resumed++
    else this.#opened.full++
    socket.once('close', () => this.#open--)
  }

  facts(): ClientFacts {
    return { opened: { ...this.#opened }, open: this.#open }
  }
}
