import type { Socket } from 'node:dgram'
import { systemClock } from '../../src/clock.ts'
import {
  type DatagramEnd,
  type LinkConditions,
  SimulatedNetwork,
} from '../../src/testing/simulated-network.ts'
import { openUdpSocket } from './udp-port.ts'

export type RelayDirection = 'to-server' | 'to-client'

export interface RelayOptions {
  /** Of both directions: read for each datagram, so that they may be changed at any time. Default: nothing is lost or delayed. */
  conditions?: LinkConditions
  /** The other way round from `conditions`, where they differ. */
  toClient?: LinkConditions
  seed?: number
  /**
   * Looks at each datagram before the conditions do. `index` counts those of its direction, from 0 on, over all clients. False drops it;
   * other bytes travel in its place.
   */
  filter?: RelayFilter
}

export type RelayFilter = (datagram: Buffer, direction: RelayDirection, index: number) => boolean | Buffer

/** Datagrams of one direction. */
export interface RelayCounts {
  received: number
  receivedBytes: number
  /** By the filter. */
  dropped: number
  /** By the conditions. */
  lost: number
}

/** How many client addresses one relay remembers: a test that needs more has gone wild. */
const MAX_FLOWS = 2_000

/**
 * A UDP relay on 127.0.0.1 before a server: the link of the simulated network (delay, rate, seeded loss, duplicates, reordering) between real
 * sockets, on the real clock. Each client address has a socket of its own towards the server, as behind a NAT.
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
  readonly #serverPort: number
  /** One for each direction, each with dice of its own: what goes one way does not change the luck of what goes the other. */
  readonly #networks: Readonly<Record<RelayDirection, SimulatedNetwork>>
  readonly #flows = new Map<number, Flow>()
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
    socket.on('message', (datagram, { port }) => this.#fromClient(datagram, port))
  }

  /** Loses everything in both directions until it is told not to. */
  set isBlackHole(value: boolean) {
    for (const conditions of Object.values(this.conditions)) conditions.lossRate = value ? 1 : 0
  }

  /** The ports of the clients that were seen. */
  get clientPorts(): number[] {
    return [...this.#flows.keys()]
  }

  /** As a NAT that forgot: every client has another address at the server from now on. What is under way to the old ones is lost. */
  async rebind(): Promise<void> {
    for (const flow of this.#flows.values()) {
      const old = flow.upstream
      if (old === undefined) continue
      flow.upstream = await this.#openUpstream(flow)
      old.close()
    }
  }

  /** Sends bytes of our own to a client, from the address that it takes for the server's; or to the server, as if that client had. */
  inject(direction: RelayDirection, bytes: Uint8Array, clientPort: number): void {
    if (this.#isClosed) return
    if (direction === 'to-client') this.#socket.send(bytes, clientPort, '127.0.0.1')
    else this.#flows.get(clientPort)?.upstream?.send(bytes, this.#serverPort, '127.0.0.1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const flow of this.#flows.values()) flow.upstream?.close()
    await new Promise<void>(resolve => {
      this.#socket.close(() => resolve())
    })
  }

  #fromClient(datagram: Buffer, clientPort: number): void {
    const flow = this.#flows.get(clientPort) ?? this.#newFlow(clientPort)
    if (flow.upstream === undefined) flow.waiting.push(datagram)
    else this.#pass(datagram, 'to-server', flow.toServer)
  }

  #newFlow(clientPort: number): Flow {
    if (this.#flows.size >= MAX_FLOWS) throw new Error(`more than ${MAX_FLOWS} clients`)
    const [toServer, atServer] = this.#networks['to-server'].link(this.conditions['to-server'])
    const [toClient, atClient] = this.#networks['to-client'].link(this.conditions['to-client'])
    const flow: Flow = { toServer, toClient, upstream: undefined, waiting: [] }
    this.#flows.set(clientPort, flow)
    atServer.onDatagram = bytes => this.inject('to-server', bytes, clientPort)
    atClient.onDatagram = bytes => this.inject('to-client', bytes, clientPort)
    void this.#openUpstream(flow).then(upstream => {
      flow.upstream = upstream
      for (const datagram of flow.waiting.splice(0)) this.#pass(datagram, 'to-server', toServer)
    })
    return flow
  }

  async #openUpstream(flow: Flow): Promise<Socket> {
    const upstream = await openUdpSocket()
    upstream.on('message', (datagram, { port }) => {
      if (port === this.#serverPort) this.#pass(datagram, 'to-client', flow.toClient)
    })
    if (this.#isClosed) upstream.close()
    return upstream
  }

  #pass(datagram: Buffer, direction: RelayDirection, end: DatagramEnd): void {
    if (this.#isClosed) return
    const counts = this.counts[direction]
    const index = counts.received++
    counts.receivedBytes += datagram.length
    const verdict = this.filter === undefined ? true : this.filter(datagram, direction, index)
    if (verdict === false) {
      counts.dropped++
      return
    }
    const lostBefore = end.stats.lost
    end.send(verdict === true ? datagram : verdict)
    counts.lost += end.stats.lost - lostBefore
  }
}

/** One client. */
interface Flow {
  readonly toServer: DatagramEnd
  readonly toClient: DatagramEnd
  /** What the server sees of it. Until it is open, datagrams wait. */
  upstream: Socket | undefined
  readonly waiting: Buffer[]
}

/** Starts a relay before the server on that port of 127.0.0.1. */
export async function startUdpRelay(serverPort: number, options: RelayOptions = {}): Promise<UdpRelay> {
  return new UdpRelay(await openUdpSocket(), serverPort, options)
}
