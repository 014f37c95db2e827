import type { Duplex } from 'node:stream'
import type { TransportError } from '../../src/base/errors.ts'
import type { CloseReason, Connection, ConnectionListener } from '../../src/base/events/connection.ts'
import type { ExchangeController, ExchangeHandler } from '../../src/base/http/exchange.ts'
import type { HeaderList } from '../../src/base/http/headers.ts'

/** Writes down what a connection reports, in one list with what its exchanges report. */
export class RecordingListener implements ConnectionListener {
  readonly log: string[]
  readonly closed: Promise<CloseReason>
  error: TransportError | undefined
  onFree: (() => void) | undefined
  #resolveClosed: (reason: CloseReason) => void = () => undefined

  constructor(log: string[] = []) {
    this.log = log
    this.closed = new Promise(resolve => void (this.#resolveClosed = resolve))
  }

  onCapacityChanged(): void {
    this.log.push('capacity-changed')
  }

  onStreamClosed(_connection: Connection, failed: boolean): void {
    this.log.push(failed ? 'stream-failed' : 'stream-closed')
    const { onFree } = this
    this.onFree = undefined
    onFree?.()
  }

  onDraining(_connection: Connection, reason: CloseReason): void {
    this.log.push(`draining ${reason}`)
  }

  onClosed(_connection: Connection, reason: CloseReason, error?: TransportError): void {
    this.log.push(`closed ${reason}`)
    this.error = error
    this.#resolveClosed(reason)
  }
}

/** Writes down what one exchange reports. */
export class RecordingHandler implements ExchangeHandler {
  readonly log: string[]
  readonly name: string
  readonly done: Promise<RecordingHandler>
  readonly started: Promise<void>
  status = 0
  headers: HeaderList = []
  statusText = ''
  trailers: HeaderList = []
  informational: [number, HeaderList][] = []
  chunks: Buffer[] = []
  bytes = 0
  error: TransportError | undefined
  tunnel: Duplex | undefined
  controller: ExchangeController | undefined
  onStart: ((controller: ExchangeController) => void) | undefined
  onHead: ((controller: ExchangeController) => void) | undefined
  onChunk: ((controller: ExchangeController, chunk: Buffer) => void) | undefined
  onEnd: (() => void) | undefined
  #resolveDone: (handler: RecordingHandler) => void = () => undefined
  #resolveStarted: () => void = () => undefined

  constructor(log: string[] = [], name = '') {
    this.log = log
    this.name = name === '' ? '' : `${name}: `
    this.done = new Promise(resolve => void (this.#resolveDone = resolve))
    this.started = new Promise(resolve => void (this.#resolveStarted = resolve))
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  onRequestStart(controller: ExchangeController): void {
    this.log.push(`${this.name}request-start`)
    this.controller = controller
    this.onStart?.(controller)
  }

  onInformational(_controller: ExchangeController, status: number, headers: HeaderList): void {
    this.log.push(`${this.name}informational ${status}`)
    this.informational.push([status, headers])
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    this.log.push(`${this.name}response-start ${status}`)
    this.status = status
    this.headers = headers
    this.statusText = statusText
    this.onHead?.(controller)
    this.#resolveStarted()
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.onChunk === undefined) this.chunks.push(Buffer.from(chunk))
    else this.onChunk(controller, chunk)
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    this.log.push(`${this.name}response-end`)
    this.trailers = trailers
    this.onEnd?.()
    this.#resolveDone(this)
  }

  onUpgrade(_controller: ExchangeController, status: number, headers: HeaderList, tunnel: Duplex): void {
    this.log.push(`${this.name}upgrade ${status}`)
    this.status = status
    this.headers = headers
    this.tunnel = tunnel
    this.#resolveDone(this)
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    this.log.push(`${this.name}response-error ${error.code} ${error.processed}`)
    this.error = error
    this.onEnd?.()
    this.#resolveDone(this)
  }
}
