import type { BodyWriter } from '../../base/http/body-upload.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import { CHUNK_END, encodeChunkHead, encodeLastChunk } from './codec/chunk-encoder.ts'

/**
 * Up to this size a chunk is copied between its head and its end: that is cheaper than a write of three
 * pieces.
 */
const COPIED_CHUNK_BYTES = 4096

/**
 * The body of a request on the socket of its connection: in chunks, or as it is when the head has announced
 * its length.
 */
export function socketWriter(socket: StreamSocket, isChunked: boolean): BodyWriter {
  return {
    write(chunk) {
      const isTaken = isChunked ? writeChunk(socket, chunk) : socket.write(chunk)
      // write() answers by what it was given, before the kernel took it; when nothing is left there is
      // nothing to wait for.
      return isTaken || socket.writableLength === 0
    },
    end(trailers) {
      if (isChunked) socket.write(encodeLastChunk(trailers), 'latin1')
    },
  }
}

function writeChunk(socket: StreamSocket, chunk: Uint8Array): boolean {
  const head = encodeChunkHead(chunk.length)
  if (chunk.length <= COPIED_CHUNK_BYTES) {
    const framed = Buffer.allocUnsafe(head.length + chunk.length + CHUNK_END.length)
    framed.write(head, 0, 'latin1')
    framed.set(chunk, head.length)
    framed.write(CHUNK_END, head.length + chunk.length, 'latin1')
    return socket.write(framed)
  }
  socket.cork()
  socket.write(head, 'latin1')
  socket.write(chunk)
  const isTaken = socket.write(CHUNK_END, 'latin1')
  socket.uncork()
  return isTaken
}
