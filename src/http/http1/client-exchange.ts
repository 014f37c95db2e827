import type { Processed } from '../../base/error-code-info.ts'
import { TransportError } from '../../base/errors.ts'
import { throwLater } from '../../base/guard.ts'
import type { BodyUpload } from '../../base/http/body-upload.ts'
import type { ExchangeController, ExchangeHandler, ExchangeRequest } from '../../base/http/exchange.ts'
import type { Protocol } from '../../base/http/protocol.ts'

/** What a controller asks of its connection. */
export interface Http1ExchangeOwner {
  onPause(): void
  onResume(): void
  onAbort(error: TransportError): void
  keep(chunk: Buffer): Buffer
}

/**
 * The exchange that a connection carries, and the handler's hold on it: one object per exchange. Once the
 * exchange is over it has no owner and does nothing, so that a late call cannot touch the exchange that
 * follows on the connection.
 */
export class Http1ClientExchange implements ExchangeController {
  readonly protocol: Protocol = 'http/1.1'
  readonly request: ExchangeRequest
  readonly handler: ExchangeHandler
  #owner: Http1ExchangeOwner | undefined
  #isPaused = false
  #isAborted = false

  /** The body that is being sent, until it is complete. */
  upload: BodyUpload | undefined
  /** Bytes of the request were handed to the socket: from here on the origin may have acted on it. */
  hasWritten = false
  /** Its request was written before the handshake of the connection was complete, to leave in early data. */
  wasEarly = false
  /** The request is complete. */
  isSent = false
  /** The head of the final response came. */
  hasResponse = false
  /** The response lets the connection be used again. */
  isReusable = false
  informationalCount = 0

  constructor(request: ExchangeRequest, handler: ExchangeHandler, owner: Http1ExchangeOwner) {
    this.request = request
    this.handler = handler
    this.#owner = owner
  }

  get processed(): Processed {
    return this.hasResponse ? 'yes' : this.hasWritten ? 'unknown' : 'no'
  }

  /**
   * How long what is waited for may take, 0 for ever: while the body is sent, its next progress; then the
   * head of the response; then the next bytes of its body, unless the handler has paused them.
   */
  get timeoutMs(): number {
    const { headersTimeoutMs, bodyTimeoutMs } = this.request
    if (this.upload !== undefined) return bodyTimeoutMs
    if (!this.hasResponse) return headersTimeoutMs
    return this.#isPaused ? 0 : bodyTimeoutMs
  }

  /** It took longer. */
  timeoutError(): TransportError {
    const { headersTimeoutMs, bodyTimeoutMs } = this.request
    const { processed } = this
    if (this.upload === undefined && !this.hasResponse) {
      return new TransportError('MM_HEADERS_TIMEOUT', `no response within ${headersTimeoutMs} ms`, {
        processed,
      })
    }
    return new TransportError('MM_BODY_TIMEOUT', `a body stood still for ${bodyTimeoutMs} ms`, { processed })
  }

  get paused(): boolean {
    return this.#isPaused
  }

  get aborted(): boolean {
    return this.#isAborted
  }

  pause(): void {
    if (this.#isPaused || this.#owner === undefined) return
    this.#isPaused = true
    this.#owner.onPause()
  }

  resume(): void {
    if (!this.#isPaused || this.#owner === undefined) return
    this.#isPaused = false
    this.#owner.onResume()
  }

  abort(error: TransportError): void {
    if (this.#owner === undefined) return
    this.#isAborted = true
    this.#owner.onAbort(error)
  }

  keep(chunk: Buffer): Buffer {
    return this.#owner === undefined ? Buffer.from(chunk) : this.#owner.keep(chunk)
  }

  /** The rest of the body is not wanted. */
  cancelUpload(): void {
    const { upload } = this
    this.upload = undefined
    upload?.cancel()
  }

  /** The handler's last call: what it throws cannot be reported to it any more. */
  tellError(error: TransportError): void {
    try {
      this.handler.onResponseError(this, error)
    } catch (thrown) {
      throwLater(thrown)
    }
  }

  /** The exchange is over. */
  release(): void {
    this.#owner = undefined
    this.cancelUpload()
  }
}
