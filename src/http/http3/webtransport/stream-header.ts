import { encodeVarint, readVarint, type VarintCursor, varintBytes } from '../frames/varint.ts'

/** Two integers of at most eight bytes. */
export const MAX_STREAM_HEADER_BYTES = 16

const NO_BYTES = Buffer.alloc(0)

/**
 * - `more`: it has not come whole
 * - `other`: the stream does not begin with the signal
 * - `session`: it has come, and names the session
 */
export type StreamHeaderState =
  | { readonly kind: 'more' }
  | { readonly kind: 'other' }
  | { readonly kind: 'session'; readonly sessionId: number }

const MORE: StreamHeaderState = { kind: 'more' }
const OTHER: StreamHeaderState = { kind: 'other' }

/**
 * Takes the beginning of a stream apart, in whatever pieces it comes: the signal, unless that was read
 * before, and the id of the session (draft-ietf-webtrans-http3 4.2, 4.3).
 */
export class StreamHeader {
  readonly #signal: number | undefined
  #bytes: Buffer = NO_BYTES
  #headerBytes = 0

  /** `signal` undefined: the type of the stream has been read, and the id of the session is next. */
  constructor(signal: number | undefined) {
    this.#signal = signal
  }

  /** What came behind the header; all that came, where the stream is another one. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#headerBytes)
  }

  /**
   * So many bytes are still missing at the least: who reads no more leaves the rest to the flow control of
   * QUIC.
   */
  get wantedBytes(): number {
    const bytes = this.#bytes
    const signalBytes = this.#signal === undefined ? 0 : varintBytesAt(bytes, 0, MIN_SIGNAL_BYTES)
    const idBytes = varintBytesAt(bytes, signalBytes, 1)
    return Math.max(1, signalBytes + idBytes - bytes.length)
  }

  /** Takes a copy. Not to be called again once it has come to an end. */
  receive(piece: Buffer): StreamHeaderState {
    const bytes = Buffer.concat([this.#bytes, piece])
    this.#bytes = bytes
    const cursor: VarintCursor = { buffer: bytes, at: 0, end: bytes.length }
    if (this.#signal !== undefined) {
      const signal = readVarint(cursor)
      if (signal === undefined) return MORE
      if (signal !== this.#signal) return OTHER
    }
    const sessionId = readVarint(cursor)
    if (sessionId === undefined) return MORE
    this.#headerBytes = cursor.at
    return { kind: 'session', sessionId }
  }
}

/** Both signals are above 63. */
const MIN_SIGNAL_BYTES = 2

/** How long the integer at that place is; `unknown` where it has not begun. */
function varintBytesAt(bytes: Buffer, at: number, unknown: number): number {
  const first = bytes[at]
  return first === undefined ? unknown : 1 << (first >> 6)
}

/** The header of a stream of ours. */
export function encodeStreamHeader(signal: number, sessionId: number): Buffer {
  const header = Buffer.alloc(varintBytes(signal) + varintBytes(sessionId))
  encodeVarint(header, encodeVarint(header, 0, signal), sessionId)
  return header
}
