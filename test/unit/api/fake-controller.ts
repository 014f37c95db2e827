import type { TransportError } from '../../../src/base/errors.ts'
import type { ExchangeController } from '../../../src/base/http/exchange.ts'

/** Writes down what a handler asks of its exchange. */
export class FakeController implements ExchangeController {
  readonly protocol = 'http/1.1'
  wasEarly = false
  stallMs: number | undefined
  paused = false
  aborted = false
  readonly log: string[] = []
  /** What the connection does: the handler gets the error, synchronously. */
  onAbort: ((error: TransportError) => void) | undefined

  pause(): void {
    this.paused = true
    this.log.push('pause')
  }
  resume(): void {
    this.paused = false
    this.log.push('resume')
  }
  abort(error: TransportError): void {
    this.aborted = true
    this.log.push(`abort ${error.code}`)
    this.onAbort?.(error)
  }
  keep(chunk: Buffer): Buffer {
    return Buffer.from(chunk)
  }
}
