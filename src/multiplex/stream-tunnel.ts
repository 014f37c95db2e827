import { Duplex } from 'node:stream'
import { NO_HEADERS } from '../headers.ts'
import type { Stream } from './stream.ts'
import { keepAsItIs } from './stream-writer.ts'

/**
 * A stream that became a tunnel (CONNECT, or RFC 8441 and RFC 9220), as a Duplex: DATA frames are its bytes, the end of the stream is the FIN
 * of either side, and a destroy is the reset that RFC 9113 8.5 and RFC 9114 4.4 ask for. A reader that sleeps holds back its own stream only.
 */
export class StreamTunnel {
  readonly duplex: Duplex
  readonly #stream: Stream
  readonly #keep: (chunk: Buffer) => Buffer
  #whenWritable: (() => void) | undefined
  #hasSentEnd = false
  #hasReceivedEnd = false

  /** `onReset`: its holder, or an error, broke it off before both sides had said everything. */
  constructor(stream: Stream, keep: (chunk: Buffer) => Buffer, onReset: () => void) {
    this.#stream = stream
    this.#keep = keep
    this.duplex = new Duplex({
      read: () => stream.resume(),
      write: (chunk: Buffer, _encoding, callback) => {
        if (stream.write(chunk, keepAsItIs)) callback()
        else this.#whenWritable = callback
      },
      final: callback => {
        this.#hasSentEnd = true
        stream.end(NO_HEADERS)
        callback()
      },
      destroy: (error, callback) => {
        // When both sides have said everything, what still waits for a window must not be thrown away.
        if (!this.#hasSentEnd || !this.#hasReceivedEnd) {
          stream.reset('CANCEL')
          onReset()
        }
        callback(error)
      },
    })
  }

  /** `chunk` is borrowed, unless the stream says that it is not. */
  receiveData(chunk: Buffer): void {
    const kept = this.#stream.isDeliveringOwned ? chunk : this.#keep(chunk)
    if (!this.duplex.push(kept)) this.#stream.pause()
  }

  receiveEnd(): void {
    this.#hasReceivedEnd = true
    this.duplex.push(null)
  }

  /** Who has said everything and then resets without an error only does not want to hear more (RFC 9113 8.1). */
  receiveReset(error: Error, isError: boolean): void {
    this.duplex.destroy(!isError && this.#hasReceivedEnd ? undefined : error)
  }

  onWritable(): void {
    const whenWritable = this.#whenWritable
    this.#whenWritable = undefined
    whenWritable?.()
  }
}
