import type { BodySink, BodySource } from './exchange.ts'
import { NO_HEADERS } from './headers.ts'

/** Large enough for few writes, small enough to see that it moves. */
const PIECE_BYTES = 262_144

/**
 * A large body that is in memory, as a source. Handed to the socket as a whole it would count as sent at
 * once, and the time that the network needs for it would be taken for the origin's silence.
 */
export class MemorySource implements BodySource {
  readonly #body: Uint8Array
  #sink: BodySink | undefined
  #sent = 0

  constructor(body: Uint8Array) {
    this.#body = body
  }

  get length(): number {
    return this.#body.length
  }

  isReplayable(): boolean {
    return true
  }

  attach(sink: BodySink): void {
    this.#sink = sink
    this.#sent = 0
    this.resume()
  }

  resume(): void {
    while (this.#sink !== undefined && this.#sent < this.#body.length) {
      const piece = this.#body.subarray(this.#sent, this.#sent + PIECE_BYTES)
      this.#sent += piece.length
      if (!this.#sink.write(piece) && this.#sent < this.#body.length) return
    }
    this.#sink?.end(NO_HEADERS)
  }

  cancel(): void {
    this.#sink = undefined
  }
}
