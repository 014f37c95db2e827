import type { BodySink, BodySource } from '../../src/base/http/exchange.ts'
import type { HeaderList } from '../../src/base/http/headers.ts'

/** A body in memory that is sent in pieces, and has trailers. */
export class TrailedBody implements BodySource {
  readonly length = undefined
  readonly #bytes: Buffer
  readonly #trailers: HeaderList
  #sink: BodySink | undefined
  #at = 0

  constructor(bytes: Buffer, trailers: HeaderList) {
    this.#bytes = bytes
    this.#trailers = trailers
  }

  /** Bytes that the connection has taken. */
  get takenBytes(): number {
    return this.#at
  }

  isReplayable(): boolean {
    return this.#at === 0
  }

  attach(sink: BodySink): void {
    this.#sink = sink
    this.resume()
  }

  resume(): void {
    const sink = this.#sink
    while (sink !== undefined && this.#at < this.#bytes.length) {
      const chunk = this.#bytes.subarray(this.#at, this.#at + 5000)
      this.#at += chunk.length
      if (!sink.write(chunk)) return
    }
    this.#sink = undefined
    sink?.end(this.#trailers)
  }

  cancel(): void {
    this.#sink = undefined
  }
}
