import type { HeaderList } from '../../../../../src/base/http/headers.ts'
import type { HttpDatagrams } from '../../../../../src/base/http/http-datagrams.ts'
import { DEFAULT_HTTP3_OPTIONS, type Http3Options } from '../../../../../src/base/options/protocol-options.ts'
import { HTTP3_ERROR_CODES } from '../../../../../src/http/http3/frames/error-codes.ts'
import { Http3Session } from '../../../../../src/http/http3/http3-session.ts'
import type { Http3SessionEvents, Http3SessionOptions } from '../../../../../src/http/http3/session.ts'
import type { OutgoingRequest } from '../../../../../src/http/multiplex/client-session.ts'
import type { RequestHead } from '../../../../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents } from '../../../../../src/http/multiplex/stream.ts'
import { FRAME, settings, varint, type WireFrame } from '../../../../support/http3-wire.ts'
import { FakeQuic } from '../fake-quic.ts'

export type Role = 'client' | 'server'
export const ROLES: readonly Role[] = ['client', 'server']

export interface RigOptions
  extends Partial<Omit<Http3SessionOptions, 'role' | 'quic' | 'options' | 'events'>> {
  options?: Partial<Http3Options>
  /** What the peer's SETTINGS say. */
  peerSettings?: readonly (readonly [id: number, value: number])[]
  /** Whether the handshake is complete and both sides have said their SETTINGS. Default true. */
  handshake?: boolean
  quic?: FakeQuic
}

export const GET: OutgoingRequest = {
  method: 'GET',
  scheme: 'https',
  authority: 'origin.test',
  path: '/',
  protocol: undefined,
  headers: [],
}
export const POST: OutgoingRequest = { ...GET, method: 'POST' }
/** Of a tunnel. */
export const CONNECT_UDP: OutgoingRequest = { ...GET, method: 'CONNECT', protocol: 'connect-udp' }

/** A session whose QUIC connection is a fake: every event becomes a line of the log. */
export class SessionRig {
  readonly role: Role
  readonly quic: FakeQuic
  readonly session: Http3Session
  readonly streams = new Map<number, Stream>()
  readonly heads = new Map<number, RequestHead>()
  /** Content that was delivered, by stream. */
  readonly bodies = new Map<number, string>()
  readonly reasons: string[] = []
  /** What the capacity was each time that we were told to look. */
  readonly capacities: number[] = []
  now = 0
  /** What the driver says to that. */
  mayCloseNow = true
  /** Called with each new request, before it is logged. */
  onRequest: ((stream: Stream, endsStream: boolean) => void) | undefined
  onWritable: ((id: number) => void) | undefined
  onData: ((stream: Stream, chunk: Buffer) => void) | undefined
  #log: string[] = []
  readonly #names = new Map<number, string>(
    Object.entries(HTTP3_ERROR_CODES).map(([name, code]) => [code, name]),
  )

  constructor(role: Role, rigOptions: RigOptions = {}) {
    const { options, peerSettings, handshake = true, quic = new FakeQuic(role), ...rest } = rigOptions
    this.role = role
    this.quic = quic
    quic.isEstablished ||= handshake
    this.session = new Http3Session({
      role,
      quic,
      options: { ...DEFAULT_HTTP3_OPTIONS, ...options },
      maxHeaderBytes: 16_384,
      maxHeaderCount: 100,
      maxRequests: 0,
      enableConnectProtocol: role === 'server',
      enableDatagrams: true,
      events: this.#sessionEvents(),
      keep: chunk => Buffer.from(chunk),
      ...rest,
    })
    this.session.start(this.now)
    if (!handshake) return
    this.control(settings(peerSettings))
    this.control()
    for (const id of quic.ids) quic.frames(id, 1)
    this.capacities.length = 0
    this.log()
  }

  // The streams of the peer

  get peerControl(): number {
    return this.role === 'client' ? 3 : 2
  }
  get peerEncoder(): number {
    return this.peerControl + 4
  }
  get peerDecoder(): number {
    return this.peerControl + 8
  }
  /** A stream of no type yet. */
  get peerOther(): number {
    return this.peerControl + 12
  }
  get ownControl(): number {
    return this.role === 'client' ? 2 : 3
  }
  get ownEncoder(): number {
    return this.ownControl + 4
  }
  get ownDecoder(): number {
    return this.ownControl + 8
  }

  /** Bytes on the peer's control stream, whose type goes before the first ones. */
  control(...frames: readonly Buffer[]): void {
    this.receive(this.peerControl, Buffer.concat([this.#typeOf(this.peerControl, 0), ...frames]))
  }

  encoder(...instructions: readonly Buffer[]): void {
    this.receive(this.peerEncoder, Buffer.concat([this.#typeOf(this.peerEncoder, 2), ...instructions]))
  }

  decoder(...instructions: readonly Buffer[]): void {
    this.receive(this.peerDecoder, Buffer.concat([this.#typeOf(this.peerDecoder, 3), ...instructions]))
  }

  receive(id: number, bytes: Uint8Array, isLast = false): void {
    this.quic.deliver(id, bytes, isLast)
    this.turn()
  }

  turn(): void {
    this.quic.repeatReadable()
    this.session.onTurn(this.now)
  }

  /** Lets time pass, as far as the session cares. */
  pass(ms: number): void {
    const until = this.now + ms
    while (this.session.nextTimeoutAt <= until) {
      this.now = this.session.nextTimeoutAt
      this.session.onTimeout(this.now)
    }
    this.now = until
  }

  /** Client role. */
  open(request: OutgoingRequest = GET, endsStream = true): Stream {
    const id = { id: 0 }
    const stream = this.session.open(request, endsStream, this.#streamEvents(id), this.now)
    id.id = stream.id
    this.streams.set(stream.id, stream)
    this.session.flush()
    return stream
  }

  stream(id: number): Stream {
    const stream = this.streams.get(id)
    if (stream === undefined) throw new Error(`there was no stream ${id}`)
    return stream
  }

  /** Those of a tunnel, with a line for each that comes. */
  datagrams(id: number): HttpDatagrams {
    const datagrams = this.stream(id).datagrams?.()
    if (datagrams === undefined) throw new Error(`stream ${id} is no tunnel`)
    datagrams.onDatagram = payload => this.#note(`datagram ${id} ${payload.toString('latin1')}`)
    return datagrams
  }

  /** What was put out on a stream of messages since the last time: `HEADERS 12`, `DATA 5 end`. */
  frames(id: number): string[] {
    this.session.flush()
    const frames = this.quic.frames(id).map(describeFrame)
    const last = frames.length - 1
    if (last >= 0 && this.quic.stream(id).isFinished) frames[last] += ' end'
    return frames
  }

  /** What was put out on our control stream since the last time. */
  controlFrames(): WireFrame[] {
    return this.quic.frames(this.ownControl, 1)
  }

  /** What happened since the last time. */
  log(): string[] {
    const log = this.#log
    this.#log = []
    return log
  }

  /** How the peer learns of a fault: `connection CODE`, `stream 0 CODE`, or `none`. */
  verdict(id = 0): string {
    const { closed } = this.quic
    if (closed !== undefined) return `connection ${this.nameOf(closed.code)}`
    const { resetCode, stopCode } = this.quic.stream(id)
    const code = resetCode ?? stopCode
    return code === undefined ? 'none' : `stream ${id} ${this.nameOf(code)}`
  }

  nameOf(code: number | undefined): string {
    return code === undefined ? 'none' : (this.#names.get(code) ?? `0x${code.toString(16)}`)
  }

  #typeOf(id: number, type: number): Buffer {
    return this.quic.ids.includes(id) ? Buffer.alloc(0) : varint(type)
  }

  #note(line: string): void {
    this.#log.push(line)
  }

  #sessionEvents(): Http3SessionEvents {
    return {
      onOutput: () => undefined,
      onHandshake: ({ protocol }) => this.#note(`handshake ${protocol}`),
      onEarlyData: outcome => this.#note(`early-data ${outcome}`),
      mayCloseNow: () => this.mayCloseNow,
      onTicket: (ticket, { maxFieldSectionSize }) =>
        this.#note(`ticket ${ticket.toString('latin1')} ${maxFieldSectionSize}`),
      onReady: () => void this.capacities.push(this.session.capacity),
      onGoaway: requestsTaken => this.#note(`goaway ${requestsTaken ?? 'unknown'}`),
      onExhausted: () => this.#note('exhausted'),
      onEnding: () => this.#note('ending'),
      onRequest: (stream, head, endsStream) => {
        this.streams.set(stream.id, stream)
        this.heads.set(stream.id, head)
        this.onRequest?.(stream, endsStream)
        this.#note(`request ${stream.id} ${head.method} ${head.path}${endsStream ? ' end' : ''}`)
        return this.#streamEvents(stream)
      },
      onStreamClosed: (stream, failed) => this.#note(`closed ${stream.id}${failed ? ' failed' : ''}`),
      onPong: () => this.#note('pong'),
      onOrigins: origins => this.#note(`origins ${origins.join(' ')}`),
      onDefence: limit => this.#note(`defence ${limit}`),
      onEnd: ({ code, cause, message }) => {
        this.reasons.push(message)
        this.#note(`over ${code} ${cause}`)
      },
    }
  }

  #streamEvents(stream: { readonly id: number }): StreamEvents {
    return {
      onResponse: ({ status }) => this.#note(`response ${stream.id} ${status}`),
      onData: chunk => {
        this.bodies.set(stream.id, (this.bodies.get(stream.id) ?? '') + chunk.toString('latin1'))
        this.#note(`data ${stream.id} ${chunk.length}`)
        const opened = this.streams.get(stream.id)
        if (opened !== undefined) this.onData?.(opened, chunk)
      },
      onEnd: trailers => this.#note(`end ${stream.id}${trailerText(trailers)}`),
      onWritable: () => {
        this.#note(`writable ${stream.id}`)
        this.onWritable?.(stream.id)
      },
      onReset: ({ code, cause, message }) => {
        this.reasons.push(message)
        this.#note(`reset ${stream.id} ${code} ${cause}`)
      },
    }
  }
}

function trailerText(trailers: HeaderList): string {
  return trailers.length === 0 ? '' : ` ${trailers.join(' ')}`
}

export function describeFrame({ type, length }: WireFrame): string {
  const name = Object.entries(FRAME).find(([, value]) => value === type)?.[0] ?? `0x${type.toString(16)}`
  return `${name} ${length}`
}
