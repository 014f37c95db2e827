import type { BodyWriter } from '../../base/http/body-upload.ts'
import type { Stream } from './stream.ts'

/** What a source writes stays as it is (BodySink.write), and may be kept without a copy. */
export function keepAsItIs(chunk: Buffer): Buffer {
  return chunk
}

/** The body of a request as DATA frames of its stream. */
export function streamWriter(stream: Stream): BodyWriter {
  return {
    write: chunk => stream.write(chunk, keepAsItIs),
    end: trailers => stream.end(trailers),
  }
}
