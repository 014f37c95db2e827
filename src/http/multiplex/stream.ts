import type { HeaderList } from '../../base/http/headers.ts'
import type { ResetCode } from './reset-code.ts'

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
  /** Breaks the stream off. No event follows. Does nothing when it is over. */
  reset(code: ResetCode): void
  /** Stops onData and onEnd; what the peer still sends is held, up to the window of the stream. */
  pause(): void
  resume(): void
}
