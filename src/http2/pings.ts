import { ACK, PING } from './frame-table.ts'
import type { OutputQueue } from './output-queue.ts'

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
