import type { Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { type Clock, systemClock, type Timer } from '../../base/clock.ts'
import { type Conditions, checkConditions, type Direction } from './conditions.ts'
import { type DatagramCounts, DatagramLine } from './datagram-line.ts'
import { NatFlow, openSocket, type UdpEnd } from './nat-flow.ts'
import { fateSeed } from './packet-loss-model.ts'
import { RateQueue } from './rate-queue.ts'
import type { ImpairOptions } from './tcp-relay.ts'

/**
 * How many datagrams the kernel threw away before the sockets on these local UDP ports read them, since they
 * were opened: a relay that is too slow loses what no condition asked for. Undefined where it cannot be known
 * (/proc/net/udp, Linux). Of other sockets on the same ports it counts those too.
 */
function kernelDrops(ports: ReadonlySet<number>): number | undefined {
  try {
    return countDrops(readFileSync('/proc/net/udp', 'latin1'), ports) + countDrops(readUdp6(), ports)
  } catch {
    return undefined
  }
}

/** A kernel without IPv6 has no such file. */
function readUdp6(): string {
  try {
    return readFileSync('/proc/net/udp6', 'latin1')
  } catch {
    return ''
  }
}

/**
 * Of the table in proc(5): a line a socket, the second field its address and port in hexadecimal, the last
 * one the drops.
 */
export function countDrops(table: string, ports: ReadonlySet<number>): number {
  let drops = 0
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)
    if (ports.has(port)) drops += Number(fields.at(-1))
  }
  return drops
}

export interface UdpCounts extends Readonly<Record<Direction, Readonly<DatagramCounts>>> {
  /**
   * Lost before the relay saw them, which no condition asked for; of the sockets that are open. Undefined: it
   * cannot be known here.
   */
  readonly unseen: number | undefined
}

/**
 * Looks at each datagram before the conditions do; `index` counts those of its direction. False drops it;
 * other bytes travel in its place.
 */
export type DatagramFilter = (
  datagram: Buffer,
  direction: Direction,
  index: number,
  client: UdpEnd,
) => boolean | Buffer

/**
 * At most so many clients have a socket; then the one that was silent for the longest loses its own, as in
 * any NAT.
 */
const MAX_FLOWS = 1_000

interface Passenger {
  readonly datagram: Buffer
  readonly flow: NatFlow
}

/**
 * A UDP relay before a server, under conditions. Each client address has a socket of its own towards the
 * server, as behind a NAT.
 */
export class ImpairedUdp implements AsyncDisposable {
  readonly port: number
  filter: DatagramFilter | undefined
  readonly #socket: Socket
  readonly #target: UdpEnd
  readonly #clock: Clock
  readonly #conditions: Record<Direction, Conditions>
  readonly #lines: Readonly<Record<Direction, DatagramLine<Passenger>>>
  readonly #timers: Record<Direction, { timer: Timer; at: number } | undefined> = {
    toServer: undefined,
    toClient: undefined,
  }
  readonly #flows = new Map<string, NatFlow>()
  #isClosed = false

  constructor(socket: Socket, target: UdpEnd, options: ImpairOptions) {
    const { toServer, toClient, seed, narrow, clock = systemClock } = options
    this.#socket = socket
    this.port = socket.address().port
    this.#target = target
    this.#clock = clock
    this.#conditions = { toServer, toClient }
    const line = (direction: Direction): DatagramLine<Passenger> =>
      new DatagramLine(fateSeed(seed, direction), narrow?.[direction] ?? new RateQueue())
    this.#lines = { toServer: line('toServer'), toClient: line('toClient') }
    socket.on('message', (datagram, { address, port }) =>
      this.#put(datagram, 'toServer', this.#flowOf({ host: address, port })),
    )
  }

  /** The clients that have a socket, in order of their first datagram. */
  get clients(): readonly UdpEnd[] {
    return Array.from(this.#flows.values(), ({ client }) => client)
  }

  /** For datagrams that come from now on. */
  setConditions(direction: Direction, conditions: Conditions): void {
    checkConditions(conditions)
    this.#conditions[direction] = conditions
  }

  counts(): UdpCounts {
    const ports = [this.port, ...Array.from(this.#flows.values(), ({ port }) => port)]
    const { toServer, toClient } = this.#lines
    return {
      toServer: { ...toServer.counts },
      toClient: { ...toClient.counts },
      unseen: kernelDrops(new Set(ports.filter(port => port !== undefined))),
    }
  }

  /**
   * As a NAT that forgot: every client has another port at the server from now on, of another local address
   * if one is given. What comes to the old ones is lost, or still passes for `keepsOldMs`.
   */
  async rebind(host?: string, keepsOldMs = 0): Promise<void> {
    await Promise.all(Array.from(this.#flows.values(), flow => flow.rebind(host, keepsOldMs, this.#clock)))
  }

  /**
   * Nothing passes any more, one way or both paths (no direction given), for that client, or for all that
   * there are. Others, new ones included, go on. What is under way still arrives.
   */
  silence(client?: UdpEnd, ...directions: readonly Direction[]): void {
    const silent = directions.length === 0 ? BOTH : directions
    for (const flow of this.#flowsOf(client)) for (const direction of silent) flow.silent.add(direction)
  }

  /** Undoes silence(). */
  unsilence(client?: UdpEnd): void {
    for (const flow of this.#flowsOf(client)) flow.silent.clear()
  }

  /**
   * Sends bytes of our own at once: to a client, as if the server had; or to the server, as if that client
   * had.
   */
  inject(direction: Direction, bytes: Uint8Array, client: UdpEnd): void {
    if (direction === 'toServer') for (const flow of this.#flowsOf(client)) flow.send(bytes)
    else this.#socket.send(bytes, client.port, client.host)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const direction of BOTH) this.#timers[direction]?.timer.cancel()
    for (const flow of this.#flows.values()) flow.close()
    await new Promise<void>(resolve => {
      this.#socket.close(() => resolve())
    })
  }

  #flowsOf(client: UdpEnd | undefined): NatFlow[] {
    if (client === undefined) return [...this.#flows.values()]
    const flow = this.#flows.get(keyOf(client))
    if (flow === undefined) throw new Error(`no client has come from ${keyOf(client)}`)
    return [flow]
  }

  #flowOf(client: UdpEnd): NatFlow {
    const key = keyOf(client)
    const known = this.#flows.get(key)
    if (known !== undefined) return known
    if (this.#flows.size >= MAX_FLOWS) this.#forgetOldest()
    const onAnswer = (datagram: Buffer, from: NatFlow): void => this.#put(datagram, 'toClient', from)
    const flow = new NatFlow(client, this.#target, this.#clock.now(), onAnswer)
    this.#flows.set(key, flow)
    return flow
  }

  #forgetOldest(): void {
    const [oldest] = [...this.#flows].sort(([, a], [, b]) => a.usedAt - b.usedAt)
    if (oldest === undefined) return
    oldest[1].close()
    this.#flows.delete(oldest[0])
  }

  #put(datagram: Buffer, direction: Direction, flow: NatFlow): void {
    if (this.#isClosed) return
    const now = this.#clock.now()
    flow.usedAt = now
    const line = this.#lines[direction]
    const verdict = this.filter?.(datagram, direction, line.counts.packets, flow.client) ?? true
    const conditions = this.#conditions[direction]
    const isSwallowed = verdict === false || flow.silent.has(direction)
    const travels = typeof verdict === 'boolean' ? datagram : verdict
    line.put(
      { datagram: travels, flow },
      travels.length,
      now,
      isSwallowed ? { ...conditions, isBlackHole: true } : conditions,
    )
    this.#deliver(direction)
  }

  #deliver(direction: Direction): void {
    if (this.#isClosed) return
    const line = this.#lines[direction]
    const now = this.#clock.now()
    for (let next = line.take(now); next !== undefined; next = line.take(now)) {
      if (direction === 'toServer') next.flow.send(next.datagram)
      else this.#socket.send(next.datagram, next.flow.client.port, next.flow.client.host)
    }
    const at = line.nextDueAt
    const armed = this.#timers[direction]
    if (armed?.at === at) return
    armed?.timer.cancel()
    if (at === Number.POSITIVE_INFINITY) {
      this.#timers[direction] = undefined
      return
    }
    // Node's timers count whole milliseconds and are up to one late. One that is early finds nothing and sets
    // another.
    const timer = this.#clock.setTimer(Math.ceil(at - now), () => {
      this.#timers[direction] = undefined
      this.#deliver(direction)
    })
    this.#timers[direction] = { timer, at }
  }
}

const BOTH: readonly Direction[] = ['toServer', 'toClient']

function keyOf({ host, port }: UdpEnd): string {
  return `${host}:${port}`
}

/** Starts a relay. */
export async function impairUdp(options: ImpairOptions): Promise<ImpairedUdp> {
  for (const conditions of [options.toServer, options.toClient]) checkConditions(conditions)
  // One address, and no race over several as TCP has: the older protocol first, since a server that has both
  // answers on both.
  const { address } = await lookup(options.target.host, { verbatim: false })
  const { host = '127.0.0.1', port = 0 } = options
  const socket = await openSocket(port, host, host.includes(':') ? 'udp6' : 'udp4')
  return new ImpairedUdp(socket, { host: address, port: options.target.port }, options)
}
