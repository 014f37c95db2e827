import type { HeaderList } from '../../../../../src/base/http/headers.ts'
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../../../../src/base/options/protocol-options.ts'
import { Http2Session } from '../../../../../src/http/http2/http2-session.ts'
import type { Http2SessionEvents, Http2SessionOptions } from '../../../../../src/http/http2/session.ts'
import type { OutgoingRequest } from '../../../../../src/http/multiplex/client-session.ts'
import type { RequestHead } from '../../../../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents } from '../../../../../src/http/multiplex/stream.ts'
import {
  describeFrame,
  FrameSplitter,
  PREFACE,
  SETTINGS_ACK,
  settings,
  TYPE,
  type WireFrame,
} from '../../../../support/http2-wire.ts'

export type Role = 'client' | 'server'

export interface RigOptions
  extends Partial<Omit<Http2SessionOptions, 'role' | 'options' | 'events' | 'keep'>> {
  options?: Partial<Http2Options>
  /** What the peer's first SETTINGS say, by number. */
  peerSettings?: Readonly<Record<number, number>>
  /** Whether prefaces and SETTINGS are exchanged at once. Default true. */
  handshake?: boolean
}

export const GET: OutgoingRequest = {
  method: 'GET',
  scheme: 'http',
  authority: 'origin.test',
  path: '/',
  protocol: undefined,
  headers: [],
}
export const POST: OutgoingRequest = { ...GET, method: 'POST' }

/**
 * A session whose peer is the test: bytes go in, frames come out, and every event becomes a line of the log.
 */
export class SessionRig {
  readonly role: Role
  readonly session: Http2Session
  readonly streams = new Map<number, Stream>()
  readonly heads = new Map<number, RequestHead>()
  /** Content that was delivered, by stream. */
  readonly bodies = new Map<number, string>()
  readonly errors: unknown[] = []
  now = 0
  /** Called with each new request, before it is logged. */
  onRequest: ((stream: Stream) => void) | undefined
  onWritable: ((id: number) => void) | undefined
  onData: ((stream: Stream, chunk: Buffer) => void) | undefined
  #log: string[] = []
  readonly #splitter = new FrameSplitter()
  #prefaceLeft: number

  constructor(role: Role, rigOptions: RigOptions = {}) {
    const { options, peerSettings, handshake = true, ...rest } = rigOptions
    this.role = role
    this.#prefaceLeft = role === 'client' ? PREFACE.length : 0
    this.session = new Http2Session({
      role,
      options: { ...DEFAULT_HTTP2_OPTIONS, ...options },
      maxHeaderBytes: 16_384,
      maxHeaderCount: 100,
      enableConnectProtocol: true,
      events: this.#sessionEvents(),
      ...rest,
    })
    this.session.start(this.now)
    if (!handshake) return
    if (role === 'server') this.receive(PREFACE)
    this.receive(settings(peerSettings), SETTINGS_ACK)
    this.frames()
    this.log()
  }

  receive(...bytes: readonly Buffer[]): void {
    // In the middle of a read buffer, and overwritten afterwards: what the session kept must be its own.
    const all = Buffer.concat(bytes)
    const buffer = Buffer.concat([Buffer.alloc(5, 0xee), all, Buffer.alloc(5, 0xee)])
    this.session.receive(buffer, 5, 5 + all.length, this.now)
    buffer.fill(0xee)
  }

  /** Client role. */
  open(request: OutgoingRequest = GET, endsStream = true): Stream {
    const id = { id: 0 }
    const stream = this.session.open(request, endsStream, this.#streamEvents(id), this.now)
    id.id = stream.id
    this.streams.set(stream.id, stream)
    return stream
  }

  stream(id: number): Stream {
    const stream = this.streams.get(id)
    if (stream === undefined) throw new Error(`there was no stream ${id}`)
    return stream
  }

  /** The frames that were put out since the last time, taken and released. */
  wire(): WireFrame[] {
    const frames: WireFrame[] = []
    while (this.session.outputBytes > 0) {
      // Copied: the memory is used again once it is released.
      let bytes = Buffer.concat(this.session.takeOutput())
      this.session.releaseOutput()
      if (this.#prefaceLeft > 0) {
        bytes = bytes.subarray(this.#prefaceLeft)
        this.#prefaceLeft = 0
      }
      frames.push(...this.#splitter.receive(bytes))
    }
    return frames
  }

  /** The same in words. */
  frames(): string[] {
    return this.wire().map(describeFrame)
  }

  /** What happened since the last time. */
  log(): string[] {
    const log = this.#log
    this.#log = []
    return log
  }

  #note(line: string): void {
    this.#log.push(line)
  }

  #sessionEvents(): Http2SessionEvents {
    return {
      onOutput: () => undefined,
      onSettings: () => this.#note('settings'),
      onGoaway: ({ lastStreamId, code, debug }) =>
        this.#note(`goaway ${lastStreamId} ${code} ${debug}`.trimEnd()),
      onExhausted: () => this.#note('exhausted'),
      onEnding: () => this.#note('ending'),
      onRequest: (stream, head, endsStream) => {
        this.streams.set(stream.id, stream)
        this.heads.set(stream.id, head)
        this.onRequest?.(stream)
        this.#note(`request ${stream.id} ${head.method} ${head.path}${endsStream ? ' end' : ''}`)
        return this.#streamEvents(stream)
      },
      onStreamClosed: (stream, failed) => this.#note(`closed ${stream.id}${failed ? ' failed' : ''}`),
      onPong: () => this.#note('pong'),
      onOrigins: origins => this.#note(`origins ${origins.join(' ')}`),
      onAltSvc: (origin, value) => this.#note(`altsvc ${origin} ${value}`),
      onDefence: limit => this.#note(`defence ${limit}`),
      onEnd: ({ code, cause }) => this.#note(`over ${code} ${cause}`),
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
      onReset: ({ code, cause }) => this.#note(`reset ${stream.id} ${code} ${cause}`),
    }
  }
}

function trailerText(trailers: HeaderList): string {
  return trailers.length === 0 ? '' : ` ${trailers.join(' ')}`
}

/** How a session takes what it is given: which error of what scope, or none. */
export type Verdict = `connection ${string}` | `stream ${number} ${string}` | 'none'

/** Gives the bytes to the session and tells what it says to them. */
export function verdictOn(rig: SessionRig, ...bytes: readonly Buffer[]): Verdict {
  rig.frames()
  rig.receive(...bytes)
  const frames = rig.wire()
  const goaway = frames.find(({ type }) => type === TYPE.GOAWAY)
  if (goaway !== undefined) return `connection ${describeFrame(goaway).split(' ')[2] ?? ''}`
  const reset = frames.find(({ type }) => type === TYPE.RST_STREAM)
  if (reset !== undefined) return `stream ${reset.streamId} ${describeFrame(reset).split(' ')[2] ?? ''}`
  return 'none'
}

/** Whether the session still answers: it is alive and in step. */
export function isAlive(rig: SessionRig): boolean {
  rig.frames()
  rig.receive(PING_FRAME)
  return rig.frames().includes('PING 0')
}

const PING_FRAME = Buffer.from([0, 0, 8, TYPE.PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
