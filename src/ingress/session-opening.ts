import { DeadlineTimer } from '../base/clock.ts'
import { guardedListener } from '../base/guard.ts'
import { ServerHttp1Session } from './http1/server-http1-session.ts'
import type { IngressSession, SessionContext, SessionSocket } from './session-context.ts'
import { ServerHttp2Session } from './streams/server-http2-session.ts'

/**
 * What a client of HTTP/2 sends first (RFC 9113 3.4). It was chosen so that no request of HTTP/1.1 begins
 * like it.
 */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** The most that is ever needed to tell. */
export const PREFACE_BYTES = PREFACE.length

/** `undecided`: all bytes so far begin the preface, and it is not complete. */
export type PrefaceVerdict = 'h2' | 'http/1.1' | 'undecided'

/**
 * What the first bytes of a connection in cleartext begin: HTTP/2 by prior knowledge, or something else,
 * which HTTP/1.1 takes or refuses. Only the first PREFACE_BYTES are looked at.
 */
export function detectPreface(firstBytes: Uint8Array): PrefaceVerdict {
  const length = Math.min(firstBytes.length, PREFACE_BYTES)
  for (let i = 0; i < length; i++) if (firstBytes[i] !== PREFACE[i]) return 'http/1.1'
  return length === PREFACE_BYTES ? 'h2' : 'undecided'
}

const DURING = 'the first bytes of a client'

/**
 * A connection in cleartext until its first bytes tell what it speaks. Nearly always the first read does;
 * what came by then goes to the session that takes over. A client that does not get so far is HTTP/1.1's to
 * deal with.
 */
export class SessionOpening implements IngressSession {
  readonly #socket: SessionSocket
  readonly #context: SessionContext
  readonly #timer: DeadlineTimer
  #firstBytes: Buffer | undefined
  #session: IngressSession | undefined
  /** Whoever takes over is to drain. */
  #isDraining = false

  constructor(socket: SessionSocket, context: SessionContext) {
    this.#socket = socket
    this.#context = context
    const onTimeout = guardedListener(DURING, () => this.#startHttp1().onReadTimeout(), this.#onFault)
    this.#timer = new DeadlineTimer(context.clock, onTimeout)
    this.#expectBytes(context.limits.keepAliveTimeoutMs)
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', ignoreError)
    socket.on('close', this.#onClose)
  }

  drain(): void {
    const { drainIdleTimeoutMs } = this.#context.limits
    if (this.#session === undefined && drainIdleTimeoutMs > 0) {
      if (!this.#isDraining && this.#firstBytes === undefined) this.#expectBytes(drainIdleTimeoutMs)
      this.#isDraining = true
    } else this.#decided().drain()
  }

  get hasRequests(): boolean {
    return this.#session?.hasRequests === true
  }

  destroy(): void {
    if (this.#session === undefined) this.#socket.destroy()
    else this.#session.destroy()
  }

  readonly #onFault = (): void => void this.#socket.destroy()

  readonly #onData = guardedListener(DURING, (chunk: Buffer) => this.#receive(chunk), this.#onFault)

  #receive(chunk: Buffer): void {
    const before = this.#firstBytes
    if (before === undefined) this.#expectBytes(this.#context.limits.headerTimeoutMs)
    const bytes = before === undefined ? chunk : Buffer.concat([before, chunk])
    const verdict = detectPreface(bytes)
    this.#firstBytes = bytes
    if (verdict === 'undecided') return
    if (verdict === 'h2') {
      this.#letGo()
      const session = new ServerHttp2Session(this.#socket, this.#context)
      this.#session = session
      session.receive(bytes, 0, bytes.length)
      if (this.#isDraining) session.drain()
    } else this.#startHttp1()
  }

  readonly #onEnd = guardedListener(DURING, () => this.#startHttp1().receiveEnd(), this.#onFault)

  readonly #onClose = (): void => this.#timer.cancel()

  #expectBytes(withinMs: number): void {
    this.#timer.cancel()
    if (withinMs > 0) this.#timer.cover(this.#context.clock.now() + withinMs)
  }

  /** Whoever must act now is HTTP/1.1 unless the preface said otherwise. */
  #decided(): IngressSession {
    return this.#session ?? this.#startHttp1()
  }

  #startHttp1(): ServerHttp1Session {
    this.#letGo()
    const session = new ServerHttp1Session(this.#socket, this.#context)
    this.#session = session
    if (this.#isDraining) session.drain()
    const bytes = this.#firstBytes
    if (bytes !== undefined) session.receive(bytes, 0, bytes.length)
    return session
  }

  #letGo(): void {
    const socket = this.#socket
    this.#timer.cancel()
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('error', ignoreError)
    socket.off('close', this.#onClose)
  }
}

/** 'close' follows. */
function ignoreError(): void {}
