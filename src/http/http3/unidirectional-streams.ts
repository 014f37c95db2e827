import type { QuicConnection } from '../../quic/engine.ts'
import { QpackError } from '../qpack/qpack-error.ts'
import type { Http3ControlFrames } from './control-frames.ts'
import {
  HTTP3_ERROR_CODES,
  Http3ConnectionFault,
  type Http3ErrorCode,
  qpackFault,
} from './frames/error-codes.ts'
import { FrameParser } from './frames/frame-parser.ts'
import { GOAWAY, SETTINGS } from './frames/frame-table.ts'
import { encodeHttp3Settings, type Http3Settings } from './frames/settings.ts'
import { encodeVarint, readVarint, type VarintCursor, varintBytes } from './frames/varint.ts'
import type { Http3SessionCore } from './session-core.ts'
import { UNIDIRECTIONAL_STREAM } from './webtransport/code-points.ts'

/** The stream types of RFC 9114 6.2 and RFC 9204 4.2. */
const CONTROL = 0x00
const PUSH = 0x01
const QPACK_ENCODER = 0x02
const QPACK_DECODER = 0x03

/**
 * What a unidirectional stream of the peer is:
 * - `unknown`: its type has not come whole. Valid transitions: any other
 * - `control`, `encoder`, `decoder`: critical; the connection ends with it. Final
 * - `handed-on`: of WebTransport, which reads it from now on. Final
 * - `ignored`: of an extension that we do not have, or of grease: we have said that we do not read it. Final
 */
type Kind = 'unknown' | 'control' | 'encoder' | 'decoder' | 'handed-on' | 'ignored'

interface PeerStream {
  readonly id: number
  kind: Kind
  /** Of the type, what has come. */
  typeBytes: Buffer
}

const READ_BYTES = 16_384
/** Where WebTransport is spoken: its type and no more, since what follows is for its reader. */
const TYPE_BYTES = 2
const buffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** Reads the peer's unidirectional streams (RFC 9114 6.2). */
export class UnidirectionalStreams {
  readonly #core: Http3SessionCore
  readonly #onUnblocked: (streamIds: readonly number[]) => void
  readonly #streams = new Map<number, PeerStream>()
  readonly #seen = new Set<Kind>()
  readonly #control: FrameParser

  constructor(
    core: Http3SessionCore,
    control: Http3ControlFrames,
    onUnblocked: (streamIds: readonly number[]) => void,
  ) {
    this.#core = core
    this.#onUnblocked = onUnblocked
    this.#control = new FrameParser(control)
  }

  /** Reads what there is. Throws Http3ConnectionFault. */
  read(id: number): void {
    const { quic, webTransport } = this.#core
    const stream = this.#streams.get(id) ?? { id, kind: 'unknown', typeBytes: Buffer.alloc(0) }
    for (;;) {
      const room = stream.kind === 'unknown' && webTransport !== undefined ? TYPE_BYTES : READ_BYTES
      const read = quic.read(id, room === READ_BYTES ? buffer : buffer.subarray(0, room))
      if (read === undefined || this.#core.life.state.kind === 'ended') return
      // One that is over may come up once more, and has nothing to read.
      if (stream.kind === 'unknown') this.#streams.set(id, stream)
      const [bytes, isEnd] = read
      this.#receive(stream, bytes)
      if (isEnd) {
        this.#end(stream)
        return
      }
      if (stream.kind === 'handed-on') {
        webTransport?.receiveUnidirectional(id)
        return
      }
      if (bytes < room) return
    }
  }

  /** The peer has reset it. Throws Http3ConnectionFault for a critical one. */
  onReset(id: number): void {
    const stream = this.#streams.get(id)
    if (stream !== undefined) this.#end(stream)
  }

  #receive(stream: PeerStream, end: number): void {
    let start = 0
    if (stream.kind === 'unknown') {
      const typeBytes = Buffer.concat([stream.typeBytes, buffer.subarray(0, Math.min(end, 8))])
      const cursor: VarintCursor = { buffer: typeBytes, at: 0, end: typeBytes.length }
      const type = readVarint(cursor)
      if (type === undefined) {
        stream.typeBytes = typeBytes
        return
      }
      start = cursor.at - stream.typeBytes.length
      this.#begin(stream, type)
    }
    if (start >= end) return
    const { reader, sections } = this.#core
    try {
      if (stream.kind === 'control') this.#control.receive(buffer, start, end)
      else if (stream.kind === 'encoder') {
        const unblocked = reader.receiveEncoderStream(buffer, start, end)
        if (unblocked.length > 0) this.#onUnblocked(unblocked)
      } else if (stream.kind === 'decoder') sections.encoder.receiveDecoderStream(buffer, start, end)
    } catch (error) {
      if (error instanceof QpackError) throw qpackFault(error)
      throw error
    }
  }

  #begin(stream: PeerStream, type: number): void {
    if (type === CONTROL) this.#take(stream, 'control')
    else if (type === QPACK_ENCODER) this.#take(stream, 'encoder')
    else if (type === QPACK_DECODER) this.#take(stream, 'decoder')
    else if (type === UNIDIRECTIONAL_STREAM && this.#core.webTransport !== undefined) {
      stream.kind = 'handed-on'
      this.#streams.delete(stream.id)
    } else if (type === PUSH) {
      // RFC 9114 4.6, 6.2.2: we never allow one; and a client must not push.
      const code: Http3ErrorCode = this.#core.role === 'client' ? 'H3_ID_ERROR' : 'H3_STREAM_CREATION_ERROR'
      throw new Http3ConnectionFault(code, 'a push stream, which we have not allowed')
    } else {
      const core = this.#core
      core.guard.count('maxIgnoredFramesPerSecond', core.now)
      stream.kind = 'ignored'
      core.quic.stop(stream.id, HTTP3_ERROR_CODES.H3_STREAM_CREATION_ERROR)
      this.#streams.delete(stream.id)
    }
  }

  #take(stream: PeerStream, kind: Kind): void {
    if (this.#seen.has(kind)) {
      // RFC 9114 6.2.1, RFC 9204 4.2
      throw new Http3ConnectionFault('H3_STREAM_CREATION_ERROR', `a second ${kind} stream`)
    }
    this.#seen.add(kind)
    stream.kind = kind
  }

  #end(stream: PeerStream): void {
    this.#streams.delete(stream.id)
    // RFC 9114 6.2: one may end before its type was said.
    if (stream.kind === 'unknown' || stream.kind === 'ignored' || stream.kind === 'handed-on') return
    throw new Http3ConnectionFault('H3_CLOSED_CRITICAL_STREAM', `the peer closed its ${stream.kind} stream`)
  }
}

/**
 * A unidirectional stream of ours that stays open: control, or QPACK. What QUIC does not take at once waits.
 */
export class OwnStream {
  readonly #quic: QuicConnection
  readonly #type: number
  #id: number | undefined
  #queue: Buffer[] = []

  /** `type`: RFC 9114 6.2, RFC 9204 4.2. It is the first thing that the stream says. */
  constructor(quic: QuicConnection, type: number) {
    this.#quic = quic
    this.#type = type
  }

  /** Undefined: the peer has not allowed it yet. */
  get id(): number | undefined {
    return this.#id
  }

  /** Nothing waits. */
  get isClear(): boolean {
    return this.#id !== undefined && this.#queue.length === 0
  }

  /** Opens it, if the peer lets us. */
  open(): void {
    if (this.#id !== undefined) return
    this.#id = this.#quic.openStream('unidirectional')
    if (this.#id === undefined) return
    const prefix = Buffer.alloc(varintBytes(this.#type))
    encodeVarint(prefix, 0, this.#type)
    this.#queue.unshift(prefix)
    this.pump()
  }

  /** Takes bytes that nobody changes any more. */
  put(bytes: Buffer): void {
    this.#queue.push(bytes)
    this.pump()
  }

  /** Goes on with what waits. */
  pump(): void {
    if (this.#id === undefined || this.#queue.length === 0) return
    const bytes =
      this.#queue.length === 1 ? (this.#queue[0] as Buffer) /* length is 1 */ : Buffer.concat(this.#queue)
    const taken = this.#quic.write(this.#id, bytes, false)
    this.#queue = taken === bytes.length ? [] : [bytes.subarray(taken)]
  }
}

/** What waits of ours to be said about sections, when the peer does not let us say it. */
const MAX_WAITING_BYTES = 65_536

const NO_LIMIT_YET = Buffer.from('fffffffffffffffc', 'hex') // 2^62 - 4, the last id of a request stream

/** Our control stream and QPACK streams (RFC 9114 6.2.1, RFC 9204 4.2). */
export class OwnStreams {
  readonly #core: Http3SessionCore
  readonly #control: OwnStream
  readonly #encoder: OwnStream
  readonly #decoder: OwnStream
  #isStarted = false

  constructor(core: Http3SessionCore) {
    this.#core = core
    this.#control = new OwnStream(core.quic, CONTROL)
    this.#encoder = new OwnStream(core.quic, QPACK_ENCODER)
    this.#decoder = new OwnStream(core.quic, QPACK_DECODER)
  }

  /** SETTINGS were said. */
  get isStarted(): boolean {
    return this.#isStarted
  }

  /**
   * Says SETTINGS, with a reserved one, and a reserved frame behind them, so that peers keep their ability to
   * read over what they do not know (RFC 9114 7.2.4.1, 7.2.8). `n` makes the reserved numbers vary.
   */
  start(settings: Http3Settings, n: number): void {
    this.#isStarted = true
    this.#control.put(frame(SETTINGS, encodeHttp3Settings(settings, [n, n])))
    this.#control.put(frame(0x1f * n + 0x21, Buffer.alloc(n % 8)))
    this.openMissing()
  }

  /** A peer should let us open three at once, but need not (RFC 9114 6.2). */
  openMissing(): void {
    this.#control.open()
    this.#encoder.open()
    this.#decoder.open()
  }

  get isOpen(): boolean {
    return this.#decoder.id !== undefined
  }

  has(id: number): boolean {
    return id === this.#control.id || id === this.#encoder.id || id === this.#decoder.id
  }

  /** What our encoder has to say, as far as QUIC takes it. To be called before the section that needs it. */
  sendInsertions(): void {
    const { encoder } = this.#core.sections
    if (this.#encoder.isClear) {
      const instructions = encoder.takeEncoderStream()
      if (instructions !== undefined) this.#encoder.put(instructions)
    }
    encoder.mayInsert = this.#encoder.isClear
  }

  /**
   * What QPACK has to say in both roles. Throws Http3ConnectionFault. To be called once per turn:
   * acknowledgements of one section each would cost a crossing each.
   */
  sendQpack(): void {
    this.sendInsertions()
    if (this.#decoder.isClear) {
      const instructions = this.#core.reader.takeDecoderStream()
      if (instructions !== undefined) this.#decoder.put(instructions)
    } else if (this.#core.reader.decoder.waitingBytes > MAX_WAITING_BYTES) {
      throw new Http3ConnectionFault(
        'H3_EXCESSIVE_LOAD',
        'the peer takes nothing on our QPACK decoder stream',
      )
    }
  }

  /** Goes on with what waits. */
  pump(): void {
    this.#control.pump()
    this.#encoder.pump()
    this.#decoder.pump()
  }

  /** `id` undefined: the graceful "not yet" (RFC 9114 5.2). */
  sendGoaway(id: number | undefined): void {
    if (id === undefined) {
      this.#control.put(frame(GOAWAY, NO_LIMIT_YET))
      return
    }
    const payload = Buffer.alloc(varintBytes(id))
    encodeVarint(payload, 0, id)
    this.#control.put(frame(GOAWAY, payload))
  }
}

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(varintBytes(type) + varintBytes(payload.length))
  encodeVarint(header, encodeVarint(header, 0, type), payload.length)
  return Buffer.concat([header, payload])
}
