import type { ReadableStreamDefaultReader, WritableStreamDefaultWriter } from 'node:stream/web'
import {
  WebTransportError,
  type WebTransportReceiveStream,
  type WebTransportSendStream,
} from '../../index.ts'

/**
 * Carries one direction of a stream: a piece is read when the one before was taken, so that an unread stream
 * stops its writer. An end is passed on as an end, a reset as a reset and a stop as a stop, with their codes.
 * When a session ends, its streams end with it, and nothing is said on those of the other one,
 * which has an end of its own.
 *
 * Node's pipeTo() does the same with more promises for each piece, and resets with 0 the streams of a session
 * that is about to be closed.
 */
export async function carryStream(
  readable: WebTransportReceiveStream,
  writable: WebTransportSendStream,
  onCarried: (bytes: number) => void,
): Promise<void> {
  const reader: ReadableStreamDefaultReader<Uint8Array> = readable.getReader()
  const writer: WritableStreamDefaultWriter<Uint8Array | ArrayBuffer> = writable.getWriter()
  // Who takes no more stops who sends, even while nothing comes.
  writer.closed.catch((error: unknown) => {
    if (isOfStream(error)) reader.cancel(error).catch(ignore)
  })
  try {
    for (;;) {
      await writer.ready
      const { value, done } = await reader.read()
      if (done) {
        await writer.ready // rejects with what ended it, where it is over
        await writer.close()
        return
      }
      onCarried(value.length)
      writer.write(value).catch(ignore)
    }
  } catch (error) {
    if (isOfStream(error)) writer.abort(error).catch(ignore)
    else if (!(error instanceof WebTransportError)) throw error
  }
}

function isOfStream(error: unknown): boolean {
  return error instanceof WebTransportError && error.source === 'stream'
}

/** The writer reports it as well. */
function ignore(): void {}
