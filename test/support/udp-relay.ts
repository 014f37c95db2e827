import type { Socket } from 'node:dgram'
import { systemClock, type Timer } from '../../src/base/clock.ts'
import type { UdpAddress } from '../../src/quic/engine.ts'
import {
  type DatagramEnd,
  type LinkConditions,
  SimulatedNetwork,
} from '../../src/testing/simulated-network.ts'
import { openUdpSocket } from './udp-port.ts'

export type RelayDirection = 'to-server' | 'to-client'

export interface RelayOptions {
  /**
   * Of both directions: read for each datagram, so that they may be changed at any time. Default: nothing is
   * lost or delayed.
   */
  conditions?: LinkConditions
  /** The other way round from `conditions`, where they differ. */
  toClient?: LinkConditions
  seed?: number
  /**
   * Looks at each datagram before the conditions do. `index` counts those of its direction, from 0 on, over
   * all clients. False drops it; other bytes travel in its place.
   */
  filter?: RelayFilter
}

export type RelayFilter = (
  datagram: Buffer,
  direction: RelayDirection,
  index: number,
  client: UdpAddress,
) => boolean | Buffer

/** Datagrams of one direction. */
export interface RelayCounts {
  received: number
  receivedBytes: number
  /** By the filter, or because the path is silent. */
  dropped: number
  /** By the conditions. */
  lost: number
}

/** How many client addresses one relay remembers: a test that needs more has gone wild. */
const MAX_FLOWS = 2_000

/**
 * A UDP relay on 127.0.0.1 before a server: the link of the simulated network (delay, rate, seeded loss,
 * duplicates, reordering) between real sockets, on the real clock. Each client address has a socket of its
 * own towards the server, as behind a NAT: a path, which can be silenced by itself. Clients may come from any
 * loopback address (Linux has all of 127.0.0.0/8).
 */
export class UdpRelay implements AsyncDisposable {
  readonly port: number
  readonly counts: Readonly<Record<RelayDirection, RelayCounts>> = {
    'to-server': { received: 0, receivedBytes: 0, dropped: 0, lost: 0 },
    'to-client': { received: 0, receivedBytes: 0, dropped: 0, lost: 0 },
  }
  readonly conditions: Readonly<Record<RelayDirection, LinkConditions>>
  filter: RelayFilter | undefined
  readonly #socket: Socket
  #serverPort: number
  /**
   * One for each direction, each with dice of its own: what goes one way does not change the luck of what
   * goes the other.
   */
  readonly #networks: Readonly<Record<RelayDirection, SimulatedNetwork>>
  readonly #flows = new Map<string, Flow>()
  readonly #leaving = new Map<Socket, Timer>()
  #isClosed = false

  constructor(socket: Socket, serverPort: number, options: RelayOptions) {
    const conditions = options.conditions ?? { latencyMs: 0 }
    this.#socket = socket
    this.#serverPort = serverPort
    this.port = socket.address().port
    this.conditions = { 'to-server': { ...conditions }, 'to-client': { ...(options.toClient ?? conditions) } }
    const { seed = 1 } = options
    this.#networks = {
      'to-server': new SimulatedNetwork(systemClock, seed),
      'to-client': new SimulatedNetwork(systemClock, ~seed),
    }
    this.filter = options.filter
    socket.on('message', (datagram, { address, port }) => this.#fromClient(datagram, { host: address, port }))
  }

  /** Loses everything in both directions until it is set not to. */
  set isBlackHole(value: boolean) {
    for (const conditions of Object.values(this.conditions)) conditions.lossRate = value ? 1 : 0
  }

  /**
   * Another server has the port from now on, as after a reload of one whose processes share it: it knows
   * nothing of the connections of the one before.
   */
  set leadsTo(serverPort: number) {
    this.#serverPort = serverPort
  }

  /** The ports of the clients that were seen. */
  get clientPorts(): number[] {
    return this.clients.map(({ port }) => port)
  }

  /** The clients that were seen, in order of their first datagram. */
  get clients(): UdpAddress[] {
    return Array.from(this.#flows.values(), ({ client }) => client)
  }

  /**
   * Makes the path of that client, or those of all clients that there are, lose everything one way or both
   * ways. Others, new ones included, go on. What has passed the relay's door still arrives.
   */
  silence(client?: UdpAddress, ...directions: readonly RelayDirection[]): void {
    const ways = directions.length === 0 ? BOTH_WAYS : directions
    for (const flow of this.#flowsOf(client)) for (const way of ways) flow.silent.add(way)
  }

  /** Undoes silence(). */
  unsilence(client?: UdpAddress): void {
    for (const flow of this.#flowsOf(client)) flow.silent.clear()
  }

  /**
   * As a NAT that forgot: every client has another address at the server from now on: another port, of
   * another loopback address if one is given. What comes to the old ones is lost, or still passes for
   * `keepsOldMs`.
   */
  async rebind(host = LOOPBACK, keepsOldMs = 0): Promise<void> {
    for (const flow of this.#flows.values()) {
      const old = flow.upstream
      if (old === undefined) continue
      flow.upstream = await this.#openUpstream(flow, host)
      if (keepsOldMs === 0) old.close()
      else this.#closeLater(old, keepsOldMs)
    }
  }

  /**
   * Sends bytes of our own to a client, from the address that it takes for the server's; or to the server, as
   * if that client had.
   */
  inject(direction: RelayDirection, bytes: Uint8Array, clientPort: number): void {
    const flow = [...this.#flows.values()].find(({ client }) => client.port === clientPort)
    if (direction === 'to-server') this.#toServer(bytes, flow)
    else this.#toClient(bytes, flow?.client ?? { host: LOOPBACK, port: clientPort })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const [socket, timer] of this.#leaving) {
      timer.cancel()
      socket.close()
    }
    for (const flow of this.#flows.values()) flow.upstream?.close()
    await new Promise<void>(resolve => {
      this.#socket.close(() => resolve())
    })
  }

  #flowsOf(client: UdpAddress | undefined): Flow[] {
    if (client === undefined) return [...this.#flows.values()]
    const flow = this.#flows.get(keyOf(client))
    if (flow === undefined) throw new Error(`no client has come from ${keyOf(client)}`)
    return [flow]
  }

  #fromClient(datagram: Buffer, client: UdpAddress): void {
    const flow = this.#flows.get(keyOf(client)) ?? this.#newFlow(client)
    if (flow.upstream === undefined) flow.waiting.push(datagram)
    else this.#pass(datagram, 'to-server', flow)
  }

  #newFlow(client: UdpAddress): Flow {
    if (this.#flows.size >= MAX_FLOWS) throw new Error(`more than ${MAX_FLOWS} clients`)
    const [toServer, atServer] = this.#networks['to-server'].link(this.conditions['to-server'])
    const [toClient, atClient] = this.#networks['to-client'].link(this.conditions['to-client'])
    const ends = { 'to-server': toServer, 'to-client': toClient }
    const flow: Flow = { client, ends, silent: new Set(), upstream: undefined, waiting: [] }
    this.#flows.set(keyOf(client), flow)
    atServer.onDatagram = bytes => this.#toServer(bytes, flow)
    atClient.onDatagram = bytes => this.#toClient(bytes, client)
    void this.#openUpstream(flow, LOOPBACK).then(upstream => {
      flow.upstream = upstream
      for (const datagram of flow.waiting.splice(0)) this.#pass(datagram, 'to-server', flow)
    })
    return flow
  }

  async #openUpstream(flow: Flow, host: string): Promise<Socket> {
    const upstream = await openUdpSocket(0, host)
    upstream.on('message', (datagram, { port }) => {
      if (port === this.#serverPort) this.#pass(datagram, 'to-client', flow)
    })
    if (this.#isClosed) upstream.close()
    return upstream
  }

  #closeLater(socket: Socket, ms: number): void {
    const timer = systemClock.setTimer(ms, () => {
      this.#leaving.delete(socket)
      socket.close()
    })
    this.#leaving.set(socket, timer)
  }

  #pass(datagram: Buffer, direction: RelayDirection, { client, ends, silent }: Flow): void {
    if (this.#isClosed) return
    const counts = this.counts[direction]
    const index = counts.received++
    counts.receivedBytes += datagram.length
    const passes = !silent.has(direction)
    const verdict = !passes || this.filter === undefined || this.filter(datagram, direction, index, client)
    if (!passes || verdict === false) {
      counts.dropped++
      return
    }
    const end = ends[direction]
    const lostBefore = end.stats.lost
    end.send(verdict === true ? datagram : verdict)
    counts.lost += end.stats.lost - lostBefore
  }

  #toServer(bytes: Uint8Array, flow: Flow | undefined): void {
    if (!this.#isClosed) flow?.upstream?.send(bytes, this.#serverPort, LOOPBACK)
  }

  #toClient(bytes: Uint8Array, { host, port }: UdpAddress): void {
    if (!this.#isClosed) this.#socket.send(bytes, port, host)
  }
}

const LOOPBACK = '127.0.0.1'
const BOTH_WAYS: readonly RelayDirection[] = ['to-server', 'to-client']

function keyOf({ host, port }: UdpAddress): string {
  return `${host}:${port}`
}

/** One client. */
interface Flow {
  readonly client: UdpAddress
  readonly ends: Readonly<Record<RelayDirection, DatagramEnd>>
  /** Ways that lose everything. */
  readonly silent: Set<RelayDirection>
  /** What the server sees of it. Until it is open, datagrams wait. */
  upstream: Socket | undefined
  readonly waiting: Buffer[]
}

/** Starts a relay before the server on that port of 127.0.0.1. */
export async function startUdpRelay(serverPort: number, options: RelayOptions = {}): Promise<UdpRelay> {
  return new UdpRelay(await openUdpSocket(), serverPort, options)
}
