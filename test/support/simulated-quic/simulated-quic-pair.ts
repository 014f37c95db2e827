import type { Clock } from '../../../src/base/clock.ts'
import { type TlsOptions } from '../../../src/base/options/options.ts'
import { DEFAULT_QUIC_OPTIONS, type QuicOptions } from '../../../src/base/options/protocol-options.ts'
import type { QuicServerTls } from '../../../src/quic/engine.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import {
  type DatagramEnd,
  type LinkConditions,
  SimulatedNetwork,
} from '../../../src/testing/simulated-network.ts'
import { decodePacket, describePacket, type Packet } from './packet-codec.ts'
import { CONNECTION_ID_BYTES, connectionIdOf, SimulatedEngine } from './simulated-engine.ts'
import { SimulatedLink } from './simulated-link.ts'

export type Side = 'client' | 'server'

/** True: this datagram is lost. `index` counts those that the side has sent, from 0. */
export type DropRule = (from: Side, packet: Packet, index: number) => boolean

export interface SimulatedQuicPairOptions {
  /** Default: 20 ms each path, and nothing else. May be changed while the test runs, if it is kept. */
  conditions?: LinkConditions
  seed?: number
  /** What sets timers, if not the clock itself. */
  timers?: Clock
  /** A second connection on the clock and with the engine of a first one. */
  clock?: FakeClock
  engine?: SimulatedEngine
  clientEngine?: SimulatedEngine
  client?: {
    quic?: Partial<QuicOptions>
    tls?: TlsOptions
    ticket?: Buffer | undefined
    earlyData?: boolean
    protocols?: string[]
  }
  server?: { quic?: Partial<QuicOptions>; tls?: Partial<QuicServerTls>; protocols?: string[] }
}

const CLIENT = { host: '192.0.2.1', port: 40_000 }
const SERVER = { host: '192.0.2.2', port: 443 }
/** Nothing in a test takes an hour: whatever runs so long hangs. */
const HOUR_MS = 3_600_000

/**
 * A client and a server of the simulated engine, joined by a simulated network on a fake clock (the idea of
 * quinn-proto's `Pair`). Set the owners of both links, call schedule() on the client's, and move time by
 * until().
 */
export class SimulatedQuicPair {
  readonly clock: FakeClock
  readonly conditions: LinkConditions
  readonly engine: SimulatedEngine
  readonly client: SimulatedLink
  readonly server: SimulatedLink
  /**
   * One line per datagram: when, who, what, and whether it was dropped by a rule. The same seed gives the
   * same lines.
   */
  readonly trace: string[] = []
  readonly #rules: DropRule[] = []
  readonly #sent: Record<Side, number> = { client: 0, server: 0 }

  constructor(options: SimulatedQuicPairOptions = {}) {
    const { conditions = { latencyMs: 20 }, seed = 1, client = {}, server = {} } = options
    this.clock = options.clock ?? new FakeClock()
    this.conditions = conditions
    this.engine = options.engine ?? new SimulatedEngine()
    const timers = options.timers ?? this.clock
    const [clientEnd, serverEnd] = new SimulatedNetwork(timers, seed).link(conditions)
    const quic = { ...DEFAULT_QUIC_OPTIONS, maxUdpPayloadBytes: 1200 }
    const clientConnection = (options.clientEngine ?? this.engine).connect({
      local: CLIENT,
      remote: SERVER,
      serverName: 'origin.test',
      tls: client.tls ?? {},
      protocols: client.protocols ?? ['h3'],
      quic: { ...quic, ...client.quic },
      connectionId: connectionIdOf(`client ${seed}`),
      ticket: client.ticket,
      earlyData: client.earlyData ?? false,
    })
    const serverConnection = this.engine.accept({
      local: SERVER,
      remote: CLIENT,
      tls: { cert: '', key: '', earlyData: true, ...server.tls },
      protocols: server.protocols ?? ['h3'],
      quic: { ...quic, ...server.quic },
      connectionId: connectionIdOf(`server ${seed}`),
    })
    const toServer = { local: CLIENT, remote: SERVER }
    const toClient = { local: SERVER, remote: CLIENT }
    this.client = new SimulatedLink(clientConnection, toServer, timers, datagram =>
      this.#send('client', datagram, clientEnd),
    )
    this.server = new SimulatedLink(serverConnection, toClient, timers, datagram =>
      this.#send('server', datagram, serverEnd),
    )
    // The network hands the same bytes to both copies of a doubled datagram, and a connection is given what
    // it gets.
    clientEnd.onDatagram = datagram => this.client.receive(Buffer.from(datagram))
    serverEnd.onDatagram = datagram => this.server.receive(Buffer.from(datagram))
  }

  get now(): number {
    return this.clock.now()
  }

  /** Adds a rule; it is asked about every datagram from now on. */
  drop(rule: DropRule): void {
    this.#rules.push(rule)
  }

  /**
   * Moves time from timer to timer until the condition holds. Throws when it does not within `limitMs`, or
   * nothing is left to happen.
   */
  until(condition: () => boolean, limitMs = HOUR_MS): void {
    const deadline = this.now + limitMs
    while (!condition()) {
      if (this.now > deadline) throw new Error(`it did not happen within ${limitMs} ms\n${this.#lastLines()}`)
      if (!this.clock.advanceToNextTimer()) throw new Error(`nothing is left to happen\n${this.#lastLines()}`)
    }
  }

  /** Until the client knows that the handshake is complete. */
  establish(): void {
    this.client.schedule()
    this.until(() => this.client.connection.isEstablished && this.server.connection.isEstablished)
  }

  #send(from: Side, datagram: Buffer, end: DatagramEnd): void {
    const packet = decodePacket(datagram, CONNECTION_ID_BYTES)
    if (packet === undefined) throw new Error(`the ${from} put out what is no packet`)
    const index = this.#sent[from]++
    // Every rule sees every datagram, so that those that count go on counting.
    const isDropped = this.#rules.filter(rule => rule(from, packet, index)).length > 0
    this.trace.push(`${this.now} ${from} ${describePacket(packet)}${isDropped ? ' (dropped)' : ''}`)
    if (!isDropped) end.send(datagram)
  }

  #lastLines(): string {
    return this.trace.slice(-20).join('\n')
  }
}
