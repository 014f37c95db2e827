import { DATA_FRAME_OVERHEAD_BYTES, type Frame } from './frame.ts'
import { frameBytes } from './packet-codec.ts'

/** The frames of one packet, as far as they fit. */
export class PacketFiller {
  readonly frames: Frame[] = []
  #left: number

  constructor(roomBytes: number) {
    this.#left = roomBytes
  }

  /** Bytes of data that still fit; 0 or less: none. */
  get dataRoom(): number {
    return this.#left - DATA_FRAME_OVERHEAD_BYTES
  }

  get isEliciting(): boolean {
    return this.frames.some(isAckEliciting)
  }

  /** False: it does not fit, and was not put in. */
  put(frame: Frame): boolean {
    const bytes = frameBytes(frame)
    if (bytes > this.#left) return false
    this.frames.push(frame)
    this.#left -= bytes
    return true
  }

  /** Moves frames from the front of a queue, as many as fit. */
  drain(queue: Frame[]): void {
    while (queue[0] !== undefined && this.put(queue[0])) queue.shift()
  }
}

/** RFC 9000 13.2.1. */
export function isAckEliciting({ type }: Frame): boolean {
  return type !== 'ack' && type !== 'close'
}
