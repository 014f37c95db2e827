import type { QuicConnection } from '../../quic/engine.ts'
import { encodeVarint, varintBytes } from './frames/varint.ts'

/**
 * A unidirectional stream of ours that stays open: control, or QPACK. What QUIC does not take at once waits.
 */
export class OwnStream {
  readonly #quic: QuicConnection
  readonly #type: number
  #id: number | undefined
  #queue: Buffer[] = []

  /** `type`: RFC 9114 6.2, RFC 9204 4.2. It is the first thing that the stream says. */
  constructor(quic: QuicConnection, type: number) {
    this.#quic = quic
    this.#type = type
  }

  /** Undefined: the peer has not allowed it yet. */
  get id(): number | undefined {
    return this.#id
  }

  /** Nothing waits. */
  get isClear(): boolean {
    return this.#id !== undefined && this.#queue.length === 0
  }

  /** Opens it, if the peer lets us. */
  open(): void {
    if (this.#id !== undefined) return
    this.#id = this.#quic.openStream('unidirectional')
    if (this.#id === undefined) return
    const prefix = Buffer.alloc(varintBytes(this.#type))
    encodeVarint(prefix, 0, this.#type)
    this.#queue.unshift(prefix)
    this.pump()
  }

  /** Takes bytes that nobody changes any more. */
  put(bytes: Buffer): void {
    this.#queue.push(bytes)
    this.pump()
  }

  /** Goes on with what waits. */
  pump(): void {
    if (this.#id === undefined || this.#queue.length === 0) return
    const bytes =
      this.#queue.length === 1 ? (this.#queue[0] as Buffer) /* length is 1 */ : Buffer.concat(this.#queue)
    const taken = this.#quic.write(this.#id, bytes, false)
    this.#queue = taken === bytes.length ? [] : [bytes.subarray(taken)]
  }
}
