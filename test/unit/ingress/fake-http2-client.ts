import type { TransportError } from '../../../src/base/errors.ts'
import { DEFAULT_CODEC_LIMITS } from '../../../src/http/http1/codec/codec-failure.ts'
import { FlooderTable } from '../../../src/ingress/flooder-table.ts'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressLimitsInput, ingressLimits } from '../../../src/ingress/ingress-limits.ts'
import { newIngressStats } from '../../../src/ingress/ingress-stats.ts'
import { ServerHttp2Session } from '../../../src/ingress/streams/server-http2-session.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { literals, requestBlock, statusOf, type WireField } from '../../support/http2-fields.ts'
import {
  describeFrame,
  FLAG,
  FrameSplitter,
  headers,
  PREFACE,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
  type WireFrame,
} from '../../support/http2-wire.ts'
import { FakeSocket, tick } from './fake-client.ts'

/** A client of one HTTP/2 session that writes frames by hand, with the exchanges that it caused. */
export class FakeHttp2Client {
  readonly clock = new FakeClock()
  readonly socket = new FakeSocket()
  readonly stats = newIngressStats()
  readonly events: IngressEvent[] = []
  readonly exchanges: IngressExchange[] = []
  readonly aborted: string[] = []
  readonly session: ServerHttp2Session
  drains = 0
  readonly #splitter = new FrameSplitter()
  #seenWrites = 0
  readonly #frames: WireFrame[] = []

  constructor(
    limits: IngressLimitsInput = {},
    handler?: (exchange: IngressExchange) => void,
    peerSettings: Readonly<Record<number, number>> = {},
  ) {
    this.session = new ServerHttp2Session(this.socket, {
      limits: ingressLimits(limits),
      codecLimits: DEFAULT_CODEC_LIMITS,
      silence: { add: () => {} },
      clock: this.clock,
      stats: this.stats,
      observer: event => this.events.push(event),
      flooders: new FlooderTable(ingressLimits()),
      scheme: 'http',
      proxyName: 'middlemile',
      handler: exchange => {
        exchange.events = {
          onDrain: () => this.drains++,
          onAborted: (error: TransportError) => this.aborted.push(`${error.code} ${error.message}`),
        }
        this.exchanges.push(exchange)
        handler?.(exchange)
      },
    })
    // The table size of 0 keeps the answers readable without a decoder.
    this.send(PREFACE, settings({ [SETTING.HEADER_TABLE_SIZE]: 0, ...peerSettings }), SETTINGS_ACK)
  }

  /** In one read. */
  send(...bytes: readonly Buffer[]): void {
    const read = Buffer.concat(bytes)
    this.session.receive(read, 0, read.length)
  }

  /** A request head; `flags` on top of END_HEADERS. */
  ask(
    streamId: number,
    { path = '/', method = 'GET', fields = [] as WireField[], ends = true } = {},
  ): Buffer {
    return headers(
      streamId,
      requestBlock(path, fields, method),
      FLAG.END_HEADERS | (ends ? FLAG.END_STREAM : 0),
    )
  }

  /** An extended CONNECT (RFC 8441). */
  connect(streamId: number, protocol: string, fields: readonly WireField[] = []): Buffer {
    const pseudo: WireField[] = [
      [':method', 'CONNECT'],
      [':protocol', protocol],
      [':scheme', 'http'],
      [':authority', 'origin.test'],
      [':path', '/chat'],
    ]
    return headers(streamId, literals(...pseudo, ...fields))
  }

  /** The exchange that began last. */
  get exchange(): IngressExchange {
    const last = this.exchanges.at(-1)
    if (last === undefined) throw new Error('no exchange began')
    return last
  }

  /** Frames that left, after what waits for the end of the turn. */
  async frames(): Promise<readonly WireFrame[]> {
    await tick()
    for (const text of this.socket.writes.slice(this.#seenWrites))
      this.#frames.push(...this.#splitter.receive(Buffer.from(text, 'latin1')))
    this.#seenWrites = this.socket.writes.length
    return this.#frames
  }

  /** Those of a stream: `HEADERS 200`, `DATA abc END`, `RST_STREAM 1 CANCEL`. */
  async of(streamId: number): Promise<string[]> {
    return (await this.frames())
      .filter(frame => frame.streamId === streamId && frame.type !== TYPE.WINDOW_UPDATE)
      .map(frame => {
        const end =
          (frame.type === TYPE.DATA || frame.type === TYPE.HEADERS) && (frame.flags & FLAG.END_STREAM) !== 0
            ? ' END'
            : ''
        if (frame.type === TYPE.HEADERS) return `HEADERS ${statusOf(frame.payload) ?? 'trailers'}${end}`
        if (frame.type === TYPE.DATA) return `DATA ${shortened(frame.payload.toString('latin1'))}${end}`
        return describeFrame(frame)
      })
  }

  /** GOAWAY, PING and the like. */
  async control(): Promise<string[]> {
    return (await this.frames())
      .filter(({ streamId, type }) => streamId === 0 && type !== TYPE.SETTINGS && type !== TYPE.WINDOW_UPDATE)
      .map(describeFrame)
  }
}

function shortened(text: string): string {
  return text.length > 40 ? `(${text.length})` : text
}
