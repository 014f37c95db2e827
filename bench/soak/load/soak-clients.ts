import { type ClientHttp2Session, connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Dispatcher, errors } from 'undici'
import { payload } from '../payload.ts'
import { AnswerCheck, type Outcome } from './answer-check.ts'
import type { SoakRequest } from './load-job.ts'

/** What a client reports of one request. */
export interface ClientAnswer {
  readonly outcome: Outcome
  /** When it was written to a connection, on performance.now(). Undefined: it never was. */
  readonly leftAt: number | undefined
  /** Its connection was made for it. */
  readonly isNew: boolean
}

/** Makes one request at a time, over one connection or a stream of one. */
export interface SoakClient {
  /** Never rejects. `expected`: the body that a correct answer has; undefined: any. */
  send(request: SoakRequest, expected: Buffer | undefined): Promise<ClientAnswer>
  close(): Promise<void>
}

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

const SESSION_WINDOW_BYTES = 33_554_432
const STREAM_WINDOW_BYTES = 262_144

/**
 * A connection of HTTP/2 that several clients share: node:http2, in cleartext by prior knowledge. A new one
 * takes the place of one that ended.
 */
export class Http2Client implements SoakClient {
  readonly #port: number
  readonly #timeoutMs: number
  #session: ClientHttp2Session | undefined

  constructor(port: number, timeoutMs: number) {
    this.#port = port
    this.#timeoutMs = timeoutMs
  }

  send(request: SoakRequest, expected: Buffer | undefined): Promise<ClientAnswer> {
    const { id, method, host, path, bodyBytes } = request
    const check = new AnswerCheck(request, expected)
    return new Promise(resolve => {
      let timedOut = false
      let failure = 'the stream was closed'
      let isComplete = false
      let leftAt: number | undefined
      const stream = this.#open().request(
        { ':method': method, ':path': path, ':authority': host, 'x-request-id': id },
        { endStream: bodyBytes === 0 },
      )
      stream.setTimeout(this.#timeoutMs, () => {
        timedOut = true
        stream.close(8) // CANCEL
      })
      const isNew = stream.pending
      if (!isNew) leftAt = performance.now()
      stream.once('ready', () => {
        leftAt ??= performance.now()
      })
      stream.on('response', headers => {
        check.onHead({
          status: Number(headers[':status']),
          id: String(headers['x-soak-id'] ?? ''),
          bodyVerdict: String(headers['x-soak-body'] ?? ''),
          proxyStatus: String(headers['proxy-status'] ?? ''),
        })
      })
      stream.on('data', (chunk: Buffer) => {
        check.onData(chunk)
        if (!request.readsSlowly) return
        stream.pause()
        setTimeout(() => stream.resume(), 8)
      })
      stream.on('end', () => {
        isComplete = !stream.aborted && stream.rstCode === 0
      })
      stream.on('error', error => {
        failure = error.message
      })
      // `end` comes for a stream that was reset as well: only the close shows its code.
      stream.on('close', () => {
        const isWhole = isComplete && stream.rstCode === 0
        const outcome = isWhole ? check.onEnd() : check.onError(`${failure} (${stream.rstCode})`, timedOut)
        resolve({ outcome, leftAt, isNew })
      })
      if (bodyBytes > 0) stream.end(payload(id, bodyBytes))
    })
  }

  close(): Promise<void> {
    this.#session?.destroy()
    return Promise.resolve()
  }

  #open(): ClientHttp2Session {
    const open = this.#session
    if (open !== undefined && !open.closed && !open.destroyed) return open
    const session = connect(`http://127.0.0.1:${this.#port}`, {
      settings: { initialWindowSize: STREAM_WINDOW_BYTES },
    })
    session.on('error', () => {}) // its streams report it
    session.on('goaway', () => session.close())
    // A slow reader must not take the window of the others.
    session.on('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES))
    session.setMaxListeners(0)
    this.#session = session
    return session
  }
}
