import { BodyUpload, type BodyWriter, type UploadOwner } from '../../base/http/body-upload.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import { headerValue } from '../../base/http/headers.ts'
import { MemorySource } from '../../base/http/memory-source.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { Http1ClientExchange } from './client-exchange.ts'
import { CHUNK_END, encodeChunkHead, encodeLastChunk } from './codec/field-encoder.ts'
import { encodeRequestHead } from './codec/head-encoder.ts'
import { decimalOf } from './codec/message-framing.ts'

/**
 * Up to this size a chunk is copied between its head and its end: that is cheaper than a write of three
 * pieces.
 */
const COPIED_CHUNK_BYTES = 4096

/**
 * The body of a request on the socket of its connection: in chunks, or as it is when the head has announced
 * its length.
 */
function socketWriter(socket: StreamSocket, isChunked: boolean): BodyWriter {
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

/**
 * Up to this size a body in memory is copied behind the head and leaves in the same write: one system call,
 * one TLS record.
 */
const COALESCED_BODY_BYTES = 16_384

/**
 * Writes the request of an exchange, or begins to. Throws MM_INVALID_ARGUMENT before a byte was written when
 * it cannot be put on the wire as it is.
 */
export function sendRequest(socket: StreamSocket, exchange: Http1ClientExchange, owner: UploadOwner): void {
  const { request } = exchange
  const { body } = request
  if (body === null) {
    const head = encodeRequestHead(request, 'none')
    exchange.hasWritten = true
    exchange.isSent = true
    socket.write(head, 'latin1')
  } else if (body instanceof Uint8Array && body.length <= COALESCED_BODY_BYTES) {
    const head = encodeRequestHead(request, body.length)
    const bytes = Buffer.allocUnsafe(head.length + body.length)
    bytes.write(head, 0, 'latin1')
    bytes.set(body, head.length)
    exchange.hasWritten = true
    exchange.isSent = true
    socket.write(bytes)
  } else {
    const source = body instanceof Uint8Array ? new MemorySource(body) : body
    const length = source.length ?? announcedLength(request)
    const head = encodeRequestHead(request, length ?? 'chunked')
    const upload = new BodyUpload(socketWriter(socket, length === undefined), source, length, owner)
    exchange.hasWritten = true
    exchange.upload = upload
    // What the source has at hand leaves together with the head.
    socket.cork()
    socket.write(head, 'latin1')
    try {
      upload.start()
    } finally {
      socket.uncork()
    }
  }
}

/** A source that does not know its length is held to a content-length that the caller gave. */
function announcedLength(request: ExchangeRequest): number | undefined {
  const value = headerValue(request.headers, 'content-length')
  return value === undefined ? undefined : decimalOf(value)
}
