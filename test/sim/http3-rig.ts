import type { TransportError } from '../../src/base/errors.ts'
import type { CloseReason, Connection, ConnectionListener } from '../../src/base/events/connection.ts'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import { NO_HEADERS } from '../../src/base/http/headers.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import {
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type Http3Options,
} from '../../src/base/options/protocol-options.ts'
import { http3Connection } from '../../src/http/http3/connection.ts'
import { decodeTicket, type Http3Ticket } from '../../src/http/http3/frames/settings.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import {
  SimulatedQuicPair,
  type SimulatedQuicPairOptions,
} from '../support/simulated-quic/simulated-quic-pair.ts'
import { TickedClock } from '../support/simulated-quic/ticked-clock.ts'
import { TimedExchange } from './http3-exchange.ts'
import { Http3Server } from './http3-server.ts'

export interface Http3RigOptions extends Omit<SimulatedQuicPairOptions, 'client'> {
  /** From a rig before, with the same engine: the connection starts in early data. */
  ticket?: Http3Ticket | undefined
  clientQuic?: NonNullable<SimulatedQuicPairOptions['client']>['quic']
  clientHttp3?: Partial<Http3Options>
  serverHttp3?: Partial<Http3Options>
}

let nextId = 1

/**
 * A connection as the pool holds it, against a server session, over the simulated engine. It is ready for
 * requests when it is made.
 */
export class Http3Rig implements ConnectionListener {
  readonly pair: SimulatedQuicPair
  /** What timers are to be set with. */
  readonly timers: TickedClock
  readonly connection: Connection
  readonly server: Http3Server
  /** What the listener was notified. */
  readonly log: string[] = []
  readonly tickets: Http3Ticket[] = []
  error: TransportError | undefined

  private constructor(pair: SimulatedQuicPair, timers: TickedClock, options: Http3RigOptions) {
    const { ticket, clientQuic = {}, clientHttp3 = {}, serverHttp3 = {} } = options
    this.pair = pair
    this.timers = timers
    this.server = new Http3Server(pair.server, timers, serverHttp3)
    this.connection = http3Connection({
      id: nextId++,
      link: this.pair.client,
      endpoint: { address: '192.0.2.2', family: 4, port: 443, transport: 'udp' },
      handshake: {
        kind: ticket === undefined ? 'full' : 'early_data',
        earlyData: 'none',
        tfo: 'off',
        tlsVersion: 'TLSv1.3',
        timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
        attempts: [],
      },
      listener: this,
      limits: DEFAULT_RESPONSE_LIMITS,
      http3: { ...DEFAULT_HTTP3_OPTIONS, ...clientHttp3 },
      quic: { ...DEFAULT_QUIC_OPTIONS, ...clientQuic },
      liveness: DEFAULT_LIVENESS_OPTIONS,
      clock: timers,
      rememberedSettings: ticket?.settings,
      onTicket: bytes => void this.tickets.push(decodeTicket(bytes)!),
    })
    this.pair.client.schedule()
  }

  /** With a handshake that is complete, or with a ticket in early data. */
  static async start(options: Http3RigOptions = {}): Promise<Http3Rig> {
    const { ticket, clientQuic = {}, clock = new FakeClock() } = options
    const timers = new TickedClock(clock)
    const client = { quic: clientQuic, ticket: ticket?.ticket, earlyData: ticket !== undefined }
    const pair = new SimulatedQuicPair({ ...options, clock, timers, client })
    pair.client.schedule()
    if (ticket === undefined) {
      while (!pair.client.connection.isEstablished) {
        if (!(await timers.turn())) throw new Error('the handshake does not come to an end')
      }
    }
    return new Http3Rig(pair, timers, options)
  }

  /** Opens an exchange at once. GET of the path unless told otherwise. */
  fetch(path: string, request: Partial<ExchangeRequest> = {}, isSleepy = false): TimedExchange {
    const exchange = new TimedExchange(this.pair.clock, isSleepy)
    this.connection.open(
      {
        method: 'GET',
        scheme: 'https',
        authority: 'origin.test',
        path,
        headers: NO_HEADERS,
        body: null,
        headersTimeoutMs: 0,
        bodyTimeoutMs: 0,
        ...request,
      },
      exchange,
    )
    return exchange
  }

  /** Turn by turn until the condition holds. Throws when it does not within ten minutes. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = this.pair.now + 600_000
    while (!condition()) {
      const isGoingOn = await this.timers.turn()
      if (!isGoingOn || this.pair.now > deadline) {
        throw new Error(`it does not happen\n${this.pair.trace.slice(-20).join('\n')}`)
      }
    }
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    let isOver = false
    this.timers.setTimer(ms, () => {
      isOver = true
    })
    await this.until(() => isOver)
  }

  /** Until all of them have ended, one way or the other. */
  finish(exchanges: readonly TimedExchange[]): Promise<void> {
    return this.until(() => exchanges.every(({ isDone }) => isDone))
  }

  /** Until the control streams and the ticket have come too, and nothing is under way. */
  settle(): Promise<void> {
    return this.pass(1000)
  }

  onCapacityChanged(): void {}

  onStreamClosed(_connection: Connection, failed: boolean): void {
    this.log.push(failed ? 'stream-failed' : 'stream-closed')
  }

  onDraining(_connection: Connection, reason: CloseReason): void {
    this.log.push(`draining ${reason}`)
  }

  onClosed(_connection: Connection, reason: CloseReason, error?: TransportError): void {
    this.log.push(`closed ${reason}`)
    this.error = error
  }
}
