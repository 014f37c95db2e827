import { Readable } from 'node:stream'
import { callersError, TransportError } from '../base/errors.ts'
import type { ExchangeController } from '../base/http/exchange.ts'

/** What is allocated at once on the word of an origin; a body that is really longer grows from there. */
const MAX_FIRST_BYTES = 1_048_576
const MIN_BYTES = 16_384

/**
 * Puts bytes together that come in borrowed pieces: each is copied once, into its place. With the length
 * known (and true) there is one allocation.
 */
export class GrowingBytes {
  #buffer: Buffer
  #length = 0

  constructor(expectedBytes: number | undefined) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(expectedBytes ?? MIN_BYTES, MAX_FIRST_BYTES))
  }

  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.length
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length, MIN_BYTES))
      this.#buffer.copy(grown, 0, 0, this.#length)
      this.#buffer = grown
    }
    this.#buffer.set(chunk, this.#length)
    this.#length = length
  }

  /** Everything that was added. The memory is the caller's. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}

/** What is held for a caller that has not said yet how it wants the body; then the flow stops. */
const MAX_UNCLAIMED_BYTES = 65_536

type Mode =
  | { name: 'unclaimed' }
  | { name: 'stream'; readable: Readable }
  | {
      name: 'collect'
      maxBytes: number
      /** Made when more comes than was held. */
      gathered: GrowingBytes | undefined
      resolve: (bytes: Buffer) => void
      reject: (reason: unknown) => void
    }
  | { name: 'discard'; resolve: () => void; reject: (reason: unknown) => void }

/**
 * The body of one response, in the form that the caller asks for: a stream is made only when somebody wants a
 * stream. It can be claimed once. Until then a bounded start of it is held and the connection waits.
 */
export class ResponseBody {
  #mode: Mode = { name: 'unclaimed' }
  #chunks: Buffer[] = []
  #bytes = 0
  #end: 'open' | 'complete' | TransportError = 'open'
  readonly #controller: ExchangeController
  readonly #expectedBytes: number | undefined

  /** `expectedBytes`: what content-length says. */
  constructor(controller: ExchangeController, expectedBytes?: number) {
    this.#controller = controller
    this.#expectedBytes = expectedBytes
  }

  // From the exchange

  onData(chunk: Buffer): void {
    const mode = this.#mode
    if (mode.name === 'discard') return
    if (mode.name === 'collect') {
      this.#bytes += chunk.length
      if (this.#bytes > mode.maxBytes) this.#controller.abort(tooLarge(mode.maxBytes))
      else {
        mode.gathered ??= this.#startGathering()
        mode.gathered.add(chunk)
      }
      return
    }
    const kept = this.#controller.keep(chunk)
    if (mode.name === 'stream') {
      if (!mode.readable.push(kept)) this.#controller.pause()
      return
    }
    this.#chunks.push(kept)
    this.#bytes += kept.length
    if (this.#bytes >= MAX_UNCLAIMED_BYTES) this.#controller.pause()
  }

  onEnd(): void {
    this.#end = 'complete'
    this.#settle()
  }

  onError(error: TransportError): void {
    this.#end = error
    this.#settle()
  }

  // From the caller

  /** The body as a stream. Destroying it gives the exchange up. */
  stream(): Readable {
    if (this.#mode.name === 'stream') return this.#mode.readable
    this.#claim()
    const readable = new Readable({
      read: () => this.#controller.resume(),
      destroy: (error, callback) => {
        if (this.#end === 'open')
          this.#controller.abort(
            new TransportError('MM_ABORTED', 'the response body was destroyed', { processed: 'yes' }),
          )
        callback(error)
      },
    })
    this.#mode = { name: 'stream', readable }
    for (const chunk of this.#chunks) readable.push(chunk)
    this.#chunks = []
    this.#settle()
    return readable
  }

  /** The whole body in memory. Rejects when it is longer than `maxBytes`. */
  bytes(maxBytes: number): Promise<Buffer> {
    this.#claim()
    return new Promise((resolve, reject) => {
      this.#mode = { name: 'collect', maxBytes, gathered: undefined, resolve, reject }
      if (this.#bytes > maxBytes) {
        this.#controller.abort(tooLarge(maxBytes))
        reject(tooLarge(maxBytes))
        return
      }
      this.#settle()
      this.#controller.resume()
    })
  }

  /** Reads the body to its end and throws it away, so that the connection can be used again. */
  dump(): Promise<void> {
    this.#claim()
    return new Promise((resolve, reject) => {
      this.#mode = { name: 'discard', resolve, reject }
      this.#chunks = []
      this.#settle()
      this.#controller.resume()
    })
  }

  #startGathering(): GrowingBytes {
    const gathered = new GrowingBytes(this.#expectedBytes)
    for (const chunk of this.#chunks) gathered.add(chunk)
    this.#chunks = []
    return gathered
  }

  #claim(): void {
    if (this.#mode.name !== 'unclaimed')
      throw new TransportError('MM_INVALID_ARGUMENT', 'the response body was used already')
  }

  #settle(): void {
    const end = this.#end
    const mode = this.#mode
    if (end === 'open') return
    switch (mode.name) {
      case 'unclaimed':
        return
      case 'stream':
        if (end === 'complete') mode.readable.push(null)
        else mode.readable.destroy(streamError(end))
        return
      case 'collect':
        if (end === 'complete') mode.resolve(mode.gathered?.take() ?? joined(this.#chunks))
        else mode.reject(callersError(end))
        return
      case 'discard':
        if (end === 'complete') mode.resolve()
        else mode.reject(callersError(end))
        return
    }
  }
}

/** A stream fails with an error only; a reason of another kind is its cause. */
function streamError(error: TransportError): Error {
  const reason = callersError(error)
  return reason instanceof Error ? reason : error
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
}

function tooLarge(maxBytes: number): TransportError {
  return new TransportError(
    'MM_INVALID_ARGUMENT',
    `the response body is larger than the ${maxBytes} bytes that were allowed`,
    {
      processed: 'yes',
    },
  )
}
