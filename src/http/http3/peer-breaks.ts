import { type ErrorCode, errorCodeOf } from './frames/error-codes.ts'
import type { RequestStream } from './request-stream.ts'
import type { SessionCore } from './session-core.ts'

/**
 * Answers that are not wanted before their requests were read: more than a client can have on its way; then
 * the oldest makes room.
 */
const MAX_EARLY_STOPS = 256

/** The peer breaks off its side of a request stream, or ours (RFC 9114 4.1.1). */
export class PeerBreaks {
  readonly #core: SessionCore
  readonly #earlyStops = new Map<number, number>()

  constructor(core: SessionCore) {
    this.#core = core
  }

  /** RESET_STREAM. Throws ConnectionFault when there are too many. */
  onReset(stream: RequestStream, wireCode: number): void {
    const core = this.#core
    const code = errorCodeOf(wireCode)
    stream.hasReadEnd = true // nothing more can come of it
    // Requests that are begun and given up at once make a server work for nothing (rapid reset,
    // CVE-2023-44487).
    if (core.role === 'server' && !stream.hasResponded) core.guard.count('maxResetsPerSecond', core.now)
    this.#break(stream, code, `the peer reset the stream with ${code}`)
  }

  /** STOP_SENDING. Throws ConnectionFault when there are too many. */
  onStop(stream: RequestStream, wireCode: number): void {
    const core = this.#core
    const code = errorCodeOf(wireCode)
    const hadSentEnd = stream.hasSentEnd
    core.sending.forget(stream)
    stream.isSendOpen = false
    if (core.role === 'server') {
      if (!stream.hasResponded) core.guard.count('maxResetsPerSecond', core.now)
      if (!hadSentEnd) this.#break(stream, code, `the client does not want the answer (${code})`)
    } else if (code === 'H3_REQUEST_REJECTED') {
      this.#break(stream, code, 'the peer rejected the request')
    } else {
      const { wantsRoom } = stream
      stream.wantsRoom = false
      if (stream.hasReceivedEnd) core.finish(stream)
      // RFC 9114 4.1: an answer may come without the whole request. What is still produced of it, or of a
      // tunnel, is thrown away.
      if (wantsRoom) stream.events.onWritable()
    }
  }

  /**
   * STOP_SENDING of a stream that is none (any more, or yet). It may overtake the request, or come in one
   * turn with it, and it comes once: who did not know of it would answer into a stream that takes nothing and
   * says nothing.
   */
  onEarlyStop(id: number, wireCode: number): void {
    for (const [oldest] of this.#earlyStops) {
      if (this.#earlyStops.size < MAX_EARLY_STOPS) break
      this.#earlyStops.delete(oldest)
    }
    this.#earlyStops.set(id, wireCode)
  }

  /** A request begins. Throws ConnectionFault when there are too many whose answer is not wanted. */
  onAccepted(stream: RequestStream): void {
    const wireCode = this.#earlyStops.get(stream.id)
    if (wireCode === undefined) return
    this.#earlyStops.delete(stream.id)
    this.onStop(stream, wireCode)
  }

  #break(stream: RequestStream, code: ErrorCode, message: string): void {
    const isUnprocessed = code === 'H3_REQUEST_REJECTED'
    const cause = isUnprocessed ? 'unprocessed' : code === 'H3_VERSION_FALLBACK' ? 'needs-http1' : 'peer'
    const isHarmless = isUnprocessed || code === 'H3_NO_ERROR' || code === 'H3_REQUEST_CANCELLED'
    this.#core.breakStream(stream, { code, cause, message }, !isHarmless)
  }
}
