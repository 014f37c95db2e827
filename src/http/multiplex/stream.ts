import type { BodyWriter } from '../../base/http/body-upload.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { HttpDatagrams } from '../../base/http/http-datagrams.ts'
import type { WebTransportCarrier } from '../../base/http/web-transport-carrier.ts'
import type { ResponseHead } from './messages/message-head.ts'

/** The length of a message's content is not known before. */
export const UNKNOWN_LENGTH = -1

/** One stream, as its driver holds it. */
export interface Stream {
  readonly id: number
  /** The chunk that onData is being called with may be kept as it is: it was kept before. */
  readonly isDeliveringOwned: boolean
  /** Our side may still send. */
  readonly isSendOpen: boolean
  /** The peer has ended its side, and everything of it was delivered. */
  readonly hasReceivedEnd: boolean
  /** Bytes that were written and wait for a window, for room, or for their turn. */
  readonly queuedBytes: number
  /** Milliseconds for which received data of it sat behind a gap; undefined: its protocol cannot tell. */
  readonly stallMs: number | undefined
  /** Server role: a 1xx, or the final head. */
  respond(status: number, headers: HeaderList, endsStream: boolean): void
  /**
   * Takes a chunk of the body. It may be borrowed: what cannot be put out at once is exchanged for
   * `keep(chunk)`. False: wait for onWritable.
   */
  write(chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean
  /** Our side is complete. Trailers may be empty. */
  end(trailers: HeaderList): void
  /**
   * Where it asked for WebTransport and that was accepted: what carries the session. Left out, or undefined:
   * the connection does not speak it.
   */
  carrier?(): WebTransportCarrier | undefined
  /** Of a tunnel. Left out, or undefined: the connection carries no datagrams beside it. */
  datagrams?(): HttpDatagrams | undefined
  /** Breaks the stream off. No event follows. Does nothing when it is over. */
  reset(code: ResetCode): void
  /** Stops onData and onEnd; what the peer still sends is held, up to the window of the stream. */
  pause(): void
  resume(): void
}

/** What a session reports one stream. After onEnd and our own end, or after onReset, nothing more comes. */
export interface StreamEvents {
  /** Client role. A 1xx, or the final head. */
  onResponse(head: ResponseHead): void
  /**
   * Borrowed memory, unless `stream.isDeliveringOwned`. One after the other; none while the stream is paused.
   */
  onData(chunk: Buffer): void
  /** The peer has said everything. Trailers may be empty. */
  onEnd(trailers: HeaderList): void
  /** After a write() that returned false: there is room again. */
  onWritable(): void
  /** The stream broke. The last call. */
  onReset(reset: StreamReset): void
}

export interface StreamReset {
  /** As its protocol names it: for messages. */
  readonly code: string
  /** False: by NO_ERROR, which only says that no more is wanted. */
  readonly isError: boolean
  /**
   * - `peer`: the peer has reset it
   * - `unprocessed`: the peer said that it did nothing with it (REFUSED_STREAM, H3_REQUEST_REJECTED, above
   *   the last id of GOAWAY), or nothing was sent
   * - `needs-http1`: the peer takes this request over HTTP/1.1 only (HTTP_1_1_REQUIRED, H3_VERSION_FALLBACK)
   * - `broken`: the peer broke a rule on this stream; we have reset it
   * - `limit`: a limit of ours was exceeded (header list size); we have reset it
   * - `invalid`: what we were asked to send cannot be put on the wire (trailers); we have reset it
   * - `session`: the session ended under it
   */
  readonly cause: 'peer' | 'unprocessed' | 'needs-http1' | 'broken' | 'limit' | 'invalid' | 'session'
  readonly message: string
}

/**
 * Why we break a stream off, where HTTP/2 (RFC 9113 7) and HTTP/3 (RFC 9114 8.1) have a code for the same:
 * NO_ERROR, CANCEL and H3_REQUEST_CANCELLED, INTERNAL_ERROR, ENHANCE_YOUR_CALM and H3_EXCESSIVE_LOAD.
 */
export type ResetCode = 'NO_ERROR' | 'CANCEL' | 'INTERNAL_ERROR' | 'ENHANCE_YOUR_CALM'

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
