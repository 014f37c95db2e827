import type { HeaderList } from '../../base/http/headers.ts'
import type { ResponseHead } from './messages/message-head.ts'

/** What a session tells of one stream. After onEnd and our own end, or after onReset, nothing more comes. */
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
