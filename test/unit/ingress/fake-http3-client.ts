import type { TransportError } from '../../../src/base/errors.ts'
import type { HeaderList } from '../../../src/base/http/headers.ts'
import { DEFAULT_HTTP3_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import { Http3Session } from '../../../src/http/http3/http3-session.ts'
import type { SessionEnd } from '../../../src/http/multiplex/client-session.ts'
import type { ResponseHead } from '../../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../../src/http/multiplex/stream.ts'
import { FlooderTable } from '../../../src/ingress/flooder-table.ts'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressLimitsInput, ingressLimits } from '../../../src/ingress/ingress-limits.ts'
import { newIngressStats } from '../../../src/ingress/ingress-stats.ts'
import { ServerHttp3Session } from '../../../src/ingress/streams/server-http3-session.ts'
import {
  SimulatedQuicPair,
  type SimulatedQuicPairOptions,
} from '../../support/simulated-quic/simulated-quic-pair.ts'
import { tick } from './fake-client.ts'

const own = (chunk: Buffer): Buffer => Buffer.from(chunk)

/** One request of the client, and what came back. */
export class Asked implements StreamEvents {
  readonly statuses: number[] = []
  headers: HeaderList = []
  body = Buffer.alloc(0)
  trailers: HeaderList | undefined
  reset: StreamReset | undefined
  rooms = 0
  stream!: Stream // set right after it was opened

  onResponse(head: ResponseHead): void {
    this.statuses.push(head.status)
    this.headers = head.headers
  }
  onData(chunk: Buffer): void {
    this.body = Buffer.concat([this.body, chunk])
  }
  onEnd(trailers: HeaderList): void {
    this.trailers = trailers
  }
  onWritable(): void {
    this.rooms++
  }
  onReset(reset: StreamReset): void {
    this.reset = reset
  }

  /** It is over, one way or the other. */
  get isOver(): boolean {
    return this.trailers !== undefined || this.reset !== undefined
  }

  /** `103 200 "ok"`, `200 "begun" H3_INTERNAL_ERROR`. */
  toString(): string {
    const text =
      this.body.length > 40 ? `(${this.body.length})` : JSON.stringify(this.body.toString('latin1'))
    const end = this.reset !== undefined ? this.reset.code : this.trailers === undefined ? 'unfinished' : ''
    return [...this.statuses, text, end].filter(part => part !== '').join(' ')
  }
}

export interface FakeHttp3ClientOptions extends SimulatedQuicPairOptions {
  limits?: IngressLimitsInput
  handler?: (exchange: IngressExchange) => void
}

/**
 * A client of one HTTP/3 session of the ingress: our client role, over the simulated engine on a fake clock.
 */
export class FakeHttp3Client {
  readonly pair: SimulatedQuicPair
  readonly stats = newIngressStats()
  readonly events: IngressEvent[] = []
  readonly exchanges: IngressExchange[] = []
  readonly aborted: string[] = []
  readonly tickets: Buffer[] = []
  readonly session: ServerHttp3Session
  readonly client: Http3Session
  drains = 0
  handshakes = 0
  failedHandshakes = 0
  goaways = 0
  isGone = false
  /** How the session has ended for the client. */
  end: SessionEnd | undefined

  constructor(options: FakeHttp3ClientOptions = {}) {
    const limits = ingressLimits(options.limits)
    this.pair = new SimulatedQuicPair({
      ...options,
      server: {
        ...options.server,
        quic: { ...limits.quic, maxUdpPayloadBytes: 1200, ...options.server?.quic },
      },
    })
    const { client, server, clock } = this.pair
    this.session = new ServerHttp3Session(server, {
      limits,
      clock,
      stats: this.stats,
      observer: event => this.events.push(event),
      flooders: new FlooderTable(ingressLimits()),
      scheme: 'https',
      proxyName: 'middlemile',
      handler: exchange => {
        exchange.events = {
          onDrain: () => this.drains++,
          onAborted: (error: TransportError) => this.aborted.push(`${error.code} ${error.message}`),
        }
        this.exchanges.push(exchange)
        options.handler?.(exchange)
      },
      onHandshake: () => this.handshakes++,
      onHandshakeFailed: () => this.failedHandshakes++,
      onGone: () => (this.isGone = true),
    })
    const ignore = (): void => {}
    this.client = new Http3Session({
      role: 'client',
      quic: client.connection,
      options: DEFAULT_HTTP3_OPTIONS,
      maxHeaderBytes: 65_536,
      maxHeaderCount: 100,
      maxRequests: 1_000_000,
      enableConnectProtocol: false,
      enableDatagrams: false,
      keep: own,
      events: {
        onOutput: () => {
          process.nextTick(() => this.client.flush())
          client.schedule()
        },
        onHandshake: ignore,
        onEarlyData: ignore,
        onTicket: ticket => void this.tickets.push(ticket),
        onRequest: () => {
          throw new Error('a client is asked nothing')
        },
        onReady: ignore,
        onGoaway: () => void this.goaways++,
        onExhausted: ignore,
        onStreamClosed: ignore,
        onPong: ignore,
        onOrigins: ignore,
        onDefence: ignore,
        onEnding: ignore,
        onEnd: end => void (this.end = end),
      },
    })
    client.owner = { onTurn: now => this.client.onTurn(now), onClosed: ignore }
    this.client.start(clock.now())
    client.schedule()
  }

  /** After the handshake, when either side has heard the other's SETTINGS. */
  static established(options: FakeHttp3ClientOptions = {}): FakeHttp3Client {
    const client = new FakeHttp3Client(options)
    client.pair.until(() => client.client.hasPeerSettings)
    return client
  }

  /** Opens a request; what is put out leaves when time moves. */
  ask({
    path = '/',
    method = 'GET',
    headers = [] as HeaderList,
    ends = true,
    protocol = undefined as string | undefined,
  } = {}): Asked {
    const asked = new Asked()
    asked.stream = this.client.open(
      { method, scheme: 'https', authority: 'origin.test', path, protocol, headers },
      ends,
      asked,
      this.pair.now,
    )
    return asked
  }

  /** The exchange that began last. */
  get exchange(): IngressExchange {
    const last = this.exchanges.at(-1)
    if (last === undefined) throw new Error('no exchange began')
    return last
  }

  /** Moves time for so long, what waits for the end of a turn included. */
  async pass(ms: number): Promise<void> {
    const until = this.pair.now + ms
    await tick()
    while (this.pair.now < until) {
      this.pair.clock.advance(Math.min(10, until - this.pair.now))
      await tick()
    }
  }

  /** Moves time until the condition holds. */
  async until(condition: () => boolean, limitMs = 60_000): Promise<void> {
    const deadline = this.pair.now + limitMs
    while (!condition()) {
      if (this.pair.now > deadline) throw new Error(`it did not happen within ${limitMs} ms`)
      await this.pass(10)
    }
  }
}
