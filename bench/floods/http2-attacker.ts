import type { Socket } from 'node:net'
import {
  FrameSplitter,
  frame,
  PREFACE,
  settings,
  TYPE,
  type WireFrame,
} from '../../test/support/http2-wire.ts'
import type { Flood } from './floods.ts'

const INITIAL_WINDOW = 65_535
/** The peer gives no credit for so long: the flood has come to its end. */
const STALLED_MS = 1_000

export interface AttackLimits {
  readonly bytes: number
  /** By performance.now(). */
  readonly deadlineMs: number
}

/**
 * Floods the other end of one connection, as far as its windows go, until it ends, the bytes are sent or the
 * time is over.
 */
export class Http2Attacker {
  readonly #socket: Socket
  readonly #splitter = new FrameSplitter()
  #window = INITIAL_WINDOW
  #streamWindow = INITIAL_WINDOW
  #initialWindow = INITIAL_WINDOW
  #wake: (() => void) | undefined
  #isClosed = false
  /** As an origin: a request came. */
  onRequest: ((streamId: number) => void) | undefined

  constructor(socket: Socket, role: 'client' | 'origin') {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
      this.#wake?.()
    })
    socket.on('drain', () => this.#wake?.())
    let prefaceLeft = role === 'origin' ? PREFACE.length : 0
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(prefaceLeft, chunk.length)
      prefaceLeft -= skipped
      for (const received of this.#splitter.receive(chunk.subarray(skipped))) this.#receive(received)
      this.#wake?.()
    })
    socket.write(role === 'client' ? Buffer.concat([PREFACE, settings()]) : settings())
  }

  /** What reached the kernel. */
  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  /** Resolves with what was sent. */
  async attack(flood: Flood, streamId: number, { bytes, deadlineMs }: AttackLimits): Promise<number> {
    const { contentBytes = 0 } = flood
    const before = this.sentBytes
    this.#socket.write(flood.open(streamId))
    for (let index = 0; !this.#isClosed && this.sentBytes - before < bytes; index++) {
      while (
        !this.#isClosed &&
        (Math.min(this.#window, this.#streamWindow) < contentBytes || this.#socket.writableNeedDrain)
      ) {
        if (performance.now() > deadlineMs || !(await this.#changed())) return this.sentBytes - before
      }
      if (this.#isClosed || performance.now() > deadlineMs) break
      this.#window -= contentBytes
      this.#streamWindow -= contentBytes
      this.#socket.write(flood.piece(index, streamId))
      // What the peer says is read between two pieces.
      await new Promise(resolve => setImmediate(resolve))
    }
    return this.sentBytes - before
  }

  end(): void {
    this.#socket.destroy()
  }

  /** False: nothing did for long. */
  async #changed(): Promise<boolean> {
    return new Promise(resolve => {
      const timer = setTimeout(() => resolve(false), STALLED_MS)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve(true)
      }
    })
  }

  #receive({ type, flags, streamId, payload }: WireFrame): void {
    if (type === TYPE.SETTINGS && flags === 0) {
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) !== 4) continue
        const window = payload.readUInt32BE(at + 2)
        this.#streamWindow += window - this.#initialWindow
        this.#initialWindow = window
      }
      this.#socket.write(frame(TYPE.SETTINGS, 1, 0))
    } else if (type === TYPE.WINDOW_UPDATE) {
      if (streamId === 0) this.#window += payload.readUInt32BE(0)
      else this.#streamWindow += payload.readUInt32BE(0)
    } else if (type === TYPE.HEADERS) this.onRequest?.(streamId)
  }
}
