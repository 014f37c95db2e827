import type { ExchangeController, ExchangeHandler, HeaderList } from '../../src/entry/dispatch.ts'

/** Counts the bytes of one response, and reads nothing of it. */
export class CountingHandler implements ExchangeHandler {
  readonly #done: (status: number, bytes: number, error?: Error) => void
  #bytes = 0
  #status = 0

  constructor(done: (status: number, bytes: number, error?: Error) => void) {
    this.#done = done
  }

  onRequestStart(): void {
    // nothing to abort
  }

  onInformational(): void {
    // no origin of the bench sends one
  }

  onResponseStart(_controller: ExchangeController, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: ExchangeController, chunk: Buffer): void {
    this.#bytes += chunk.length
  }

  onResponseEnd(_controller: ExchangeController, _trailers: HeaderList): void {
    this.#done(this.#status, this.#bytes)
  }

  onUpgrade(): void {
    this.#done(this.#status, 0, new Error('unexpected upgrade'))
  }

  onResponseError(_controller: ExchangeController | undefined, error: Error): void {
    this.#done(this.#status, this.#bytes, error)
  }
}
