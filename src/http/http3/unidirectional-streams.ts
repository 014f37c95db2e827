import { QpackError } from '../qpack/qpack-error.ts'
import type { ControlFrames } from './control-frames.ts'
import { ConnectionFault, ERROR_CODES, type ErrorCode, qpackFault } from './frames/error-codes.ts'
import { FrameParser } from './frames/frame-parser.ts'
import { readVarint, type VarintCursor } from './frames/varint.ts'
import type { SessionCore } from './session-core.ts'

/** The stream types of RFC 9114 6.2 and RFC 9204 4.2. */
export const CONTROL = 0x00
const PUSH = 0x01
export const QPACK_ENCODER = 0x02
export const QPACK_DECODER = 0x03

/**
 * What a unidirectional stream of the peer is:
 * - `unknown`: its type has not come whole. Valid transitions: any other
 * - `control`, `encoder`, `decoder`: critical; the connection ends with it. Final
 * - `ignored`: of an extension that we do not have, or of grease: we have said that we do not read it. Final
 */
type Kind = 'unknown' | 'control' | 'encoder' | 'decoder' | 'ignored'

interface PeerStream {
  readonly id: number
  kind: Kind
  /** Of the type, what has come. */
  typeBytes: Buffer
}

const READ_BYTES = 16_384
const buffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** Reads the peer's unidirectional streams (RFC 9114 6.2). */
export class UnidirectionalStreams {
  readonly #core: SessionCore
  readonly #onUnblocked: (streamIds: readonly number[]) => void
  readonly #streams = new Map<number, PeerStream>()
  readonly #seen = new Set<Kind>()
  readonly #control: FrameParser

  constructor(
    core: SessionCore,
    control: ControlFrames,
    onUnblocked: (streamIds: readonly number[]) => void,
  ) {
    this.#core = core
    this.#onUnblocked = onUnblocked
    this.#control = new FrameParser(control)
  }

  /** Reads what there is. Throws ConnectionFault. */
  read(id: number): void {
    const { quic } = this.#core
    let stream = this.#streams.get(id)
    if (stream === undefined) {
      stream = { id, kind: 'unknown', typeBytes: Buffer.alloc(0) }
      this.#streams.set(id, stream)
    }
    for (;;) {
      const read = quic.read(id, buffer)
      if (read === undefined || (this.#core.isEnded && !this.#core.isLingering)) return
      const [bytes, isEnd] = read
      this.#receive(stream, bytes)
      if (isEnd) {
        this.#end(stream)
        return
      }
      if (bytes < READ_BYTES) return
    }
  }

  /** The peer has reset it. Throws ConnectionFault for a critical one. */
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
    else if (type === PUSH) {
      // RFC 9114 4.6, 6.2.2: we never allow one; and a client must not push.
      const code: ErrorCode = this.#core.role === 'client' ? 'H3_ID_ERROR' : 'H3_STREAM_CREATION_ERROR'
      throw new ConnectionFault(code, 'a push stream, which we have not allowed')
    } else {
      const core = this.#core
      core.guard.count('maxIgnoredFramesPerSecond', core.now)
      stream.kind = 'ignored'
      core.quic.stop(stream.id, ERROR_CODES.H3_STREAM_CREATION_ERROR)
      this.#streams.delete(stream.id)
    }
  }

  #take(stream: PeerStream, kind: Kind): void {
    if (this.#seen.has(kind)) {
      throw new ConnectionFault('H3_STREAM_CREATION_ERROR', `a second ${kind} stream`) // RFC 9114 6.2.1, RFC 9204 4.2
    }
    this.#seen.add(kind)
    stream.kind = kind
  }

  #end(stream: PeerStream): void {
    this.#streams.delete(stream.id)
    // RFC 9114 6.2: one may end before its type was said.
    if (stream.kind === 'unknown' || stream.kind === 'ignored') return
    throw new ConnectionFault('H3_CLOSED_CRITICAL_STREAM', `the peer closed its ${stream.kind} stream`)
  }
}
