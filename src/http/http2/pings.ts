import { ACK, PING } from './frames/frame-table.ts'
import type { OutputQueue } from './frames/output-queue.ts'

/** What a PING of ours is for; its answer bears the same bytes. */
export type PingPurpose = 'check' | 'sample' | 'drain'

const PURPOSES: readonly PingPurpose[] = ['check', 'sample', 'drain']
const PING_BYTES = 8

/** Puts out a PING whose payload tells its purpose. */
export function putPing(output: OutputQueue, purpose: PingPurpose): void {
  const payload = Buffer.alloc(PING_BYTES)
  payload[PING_BYTES - 1] = PURPOSES.indexOf(purpose) + 1
  output.putFrame(PING, 0, 0, payload)
}

/** Answers a PING with its own payload (RFC 9113 6.7). */
export function putPong(output: OutputQueue, buffer: Buffer, start: number): void {
  output.putFrame(PING, ACK, 0, buffer.subarray(start, start + PING_BYTES))
}

/** What an answer belongs to; undefined: to nothing that we have sent. */
export function purposeOfPong(buffer: Buffer, start: number): PingPurpose | undefined {
  for (let i = start; i < start + PING_BYTES - 1; i++) if (buffer[i] !== 0) return undefined
  return PURPOSES[(buffer[start + PING_BYTES - 1] as number) - 1] // eight bytes are there
}

/**
 * The PING that asks whether the peer still answers: for liveness, and for who checks a connection before its
 * use. There is one at a time, whoever asks: its answer notifies all of them.
 */
export class CheckPing {
  readonly #output: OutputQueue
  #isOut = false
  /** Where in the output it stands, while it waits to leave; -1: it has left, or there is none. */
  #position = -1
  #wasDelayed = false

  constructor(output: OutputQueue) {
    this.#output = output
  }

  put(): void {
    if (this.#isOut) return
    this.#isOut = true
    this.#wasDelayed = false
    this.#position = this.#output.position
    putPing(this.#output, 'check')
  }

  /** What was taken for writing has left. */
  onReleased(): void {
    if (this.#position < 0) return
    if (this.#output.isUntaken(this.#position)) this.#wasDelayed = true
    else this.#position = -1
  }

  /**
   * Something has left ahead of it since it was put out or this was asked last: on a slow way it waits behind
   * an upload of ours. (What the kernel holds is about two windows of congestion control, hence some round
   * trips.)
   */
  takeDelay(): boolean {
    const was = this.#wasDelayed
    this.#wasDelayed = false
    return was
  }

  /** It is put out, and has not left: the socket has not taken it, or what it was written with. */
  get isWaiting(): boolean {
    return this.#position >= 0
  }

  /** False: nobody has asked. */
  onPong(): boolean {
    const wasOut = this.#isOut
    this.#isOut = false
    this.#position = -1
    return wasOut
  }
}
