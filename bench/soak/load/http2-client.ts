import { type ClientHttp2Session, connect } from 'node:http2'
import { payload } from '../payload.ts'
import { AnswerCheck } from './answer-check.ts'
import type { ClientAnswer, SoakClient } from './soak-client.ts'
import type { SoakRequest } from './soak-request.ts'

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
