import { type HeaderList, NO_HEADERS } from '../../../base/http/headers.ts'
import { ChunkReader } from './chunk-reader.ts'
import { type CodecLimits, type CodecRole, codecFailure } from './codec-failure.ts'
import type { BodyFraming } from './message-framing.ts'

const NONE = 0
const LENGTH = 1
const CHUNKED = 2
const UNTIL_CLOSE = 3

/** Reads bodies, one after the other, however they are delimited. */
export class BodyReader {
  readonly #limits: CodecLimits
  readonly #role: CodecRole
  readonly #onData: (chunk: Buffer) => void
  #chunks: ChunkReader | undefined
  #kind = NONE
  #remaining = 0

  constructor(limits: CodecLimits, role: CodecRole, onData: (chunk: Buffer) => void) {
    this.#limits = limits
    this.#role = role
    this.#onData = onData
  }

  /** Nothing more belongs to the body. */
  get isDone(): boolean {
    return this.#kind === NONE
  }

  /** The trailers of the body that was read last. */
  get trailers(): HeaderList {
    return this.#chunks?.trailers ?? NO_HEADERS
  }

  begin(framing: BodyFraming): void {
    if (this.#chunks !== undefined) this.#chunks.trailers = NO_HEADERS
    if (framing === 'none' || framing === 0) this.#kind = NONE
    else if (framing === 'chunked') {
      this.#kind = CHUNKED
      this.#chunks ??= new ChunkReader(this.#limits, this.#role, this.#onData)
      this.#chunks.begin()
    } else if (framing === 'until-close') this.#kind = UNTIL_CLOSE
    else {
      this.#kind = LENGTH
      this.#remaining = framing
    }
  }

  /** Takes nothing more. May be called from within onData. */
  stop(): void {
    this.#kind = NONE
    this.#chunks?.stop()
  }

  /** Takes nothing until release(). May be called from within onData. */
  hold(): void {
    this.#chunks?.hold()
  }

  release(): void {
    this.#chunks?.release()
  }

  /**
   * Takes bytes up to the end of the body, or to where it was held; the index behind them. Not to be called
   * while it is held.
   */
  receive(buffer: Buffer, start: number, end: number): number {
    if (this.#kind === CHUNKED && this.#chunks !== undefined) {
      const next = this.#chunks.receive(buffer, start, end)
      if (this.#chunks.isDone) this.#kind = NONE
      return next
    }
    if (this.#kind === NONE || start === end) return start
    let next = end
    if (this.#kind === LENGTH) {
      next = Math.min(end, start + this.#remaining)
      this.#remaining -= next - start
      if (this.#remaining === 0) this.#kind = NONE
    }
    this.#onData(buffer.subarray(start, next))
    return next
  }

  /** The peer closed. Fails unless that is how the body ends. */
  receiveEnd(): void {
    if (this.#kind === UNTIL_CLOSE) this.#kind = NONE
    if (this.#kind === NONE) return
    if (this.#kind === CHUNKED) this.#chunks?.checkPart()
    const rest = this.#kind === LENGTH ? `, ${this.#remaining} bytes are missing` : ''
    throw codecFailure(this.#role, 'truncated', `the peer closed within a body${rest}`)
  }
}
