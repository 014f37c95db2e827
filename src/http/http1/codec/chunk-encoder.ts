import type { HeaderList } from '../../../base/http/headers.ts'
import { encodeTrailers } from './field-encoder.ts'

/** Follows the bytes of each chunk. */
export const CHUNK_END = '\r\n'

/** Goes before a chunk of this many bytes. Not for 0, which would end the body. */
export function encodeChunkHead(byteCount: number): string {
  return `${byteCount.toString(16)}\r\n`
}

/** The end of a chunked body, with its trailers. */
export function encodeLastChunk(trailers: HeaderList): string {
  return trailers.length === 0 ? '0\r\n\r\n' : `0\r\n${encodeTrailers(trailers)}\r\n`
}
