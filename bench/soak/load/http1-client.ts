import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Dispatcher, errors } from 'undici'
import { payload } from '../payload.ts'
import { AnswerCheck, type Outcome } from './answer-check.ts'
import type { ClientAnswer, SoakClient } from './soak-client.ts'
import type { SoakRequest } from './soak-request.ts'

/**
 * One client with a connection of HTTP/1.1: undici's, which repeats nothing, and makes a new connection after
 * each HEAD.
 */
export class Http1Client implements SoakClient {
  readonly #client: Client
  #connections = 0

  constructor(port: number, timeoutMs: number) {
    this.#client = new Client(`http://127.0.0.1:${port}`, {
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      keepAliveTimeout: 60_000,
    })
    this.#client.on('connect', () => this.#connections++)
  }

  send(request: SoakRequest, expected: Buffer | undefined): Promise<ClientAnswer> {
    const { id, method, host, path, bodyBytes } = request
    const before = this.#connections
    return new Promise(resolve => {
      const done = (outcome: Outcome, leftAt: number | undefined): void =>
        resolve({ outcome, leftAt, isNew: this.#connections > before })
      const handler = new Http1Answer(request, expected, done)
      const body = bodyBytes === 0 ? null : payload(id, bodyBytes)
      this.#client.dispatch({ method, path, headers: { host, 'x-request-id': id }, body }, handler)
    })
  }

  async close(): Promise<void> {
    await this.#client.destroy()
  }
}

type Done = (outcome: Outcome, leftAt: number | undefined) => void

class Http1Answer implements Dispatcher.DispatchHandler {
  readonly #check: AnswerCheck
  readonly #done: Done
  readonly #readsSlowly: boolean
  #leftAt: number | undefined

  constructor(request: SoakRequest, expected: Buffer | undefined, done: Done) {
    this.#check = new AnswerCheck(request, expected)
    this.#done = done
    this.#readsSlowly = request.readsSlowly
  }

  /** The connection is there, and the request is written to it now. */
  onRequestStart(): void {
    this.#leftAt = performance.now()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return
    this.#check.onHead({
      status,
      id: String(headers['x-soak-id'] ?? ''),
      bodyVerdict: String(headers['x-soak-body'] ?? ''),
      proxyStatus: String(headers['proxy-status'] ?? ''),
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#check.onData(chunk)
    if (!this.#readsSlowly) return
    controller.pause()
    void sleep(SLOW_PAUSE_MS).then(() => controller.resume())
  }

  onResponseEnd(): void {
    this.#done(this.#check.onEnd(), this.#leftAt)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const isTimeout = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError
    this.#done(this.#check.onError(error.message, isTimeout), this.#leftAt)
  }
}

/** After each read of 64 KiB: a MiB takes half a second. */
const SLOW_PAUSE_MS = 30
