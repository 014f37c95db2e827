import { TransportError } from '../base/errors.ts'

/** The bytes of what was written to a stream. Throws MM_INVALID_ARGUMENT where there are none. */
export function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw new TransportError('MM_INVALID_ARGUMENT', `streams take bytes, not ${typeof chunk}`)
}
