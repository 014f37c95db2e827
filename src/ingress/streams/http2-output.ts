import type { TransportError } from '../../base/errors.ts'
import { containFault } from '../../base/guard.ts'
import type { Http2Session } from '../../http/http2/http2-session.ts'
import type { SessionSocket } from '../session-context.ts'

export interface OutputEvents {
  /** What waits for the end of the turn is put out now. */
  onBeforeFlush(): void
  /** The socket did not take everything at once. */
  onBehind(): void
  /** It has taken everything since. */
  onCaughtUp(): void
  /** Everything was handed to the socket, after `finish`. */
  onFinished(): void
  /** Writing has thrown, which was reported: the connection ends. */
  onFault(error: TransportError): void
}

/**
 * Carries the output of a session to its socket: everything that was put out within one turn of the event
 * loop leaves in one write, at the end of that turn (setImmediate: behind all reads of the turn, so that the
 * answers of many origins' sockets share it), and only one write is under way at a time.
 *
 * `writableLength` is 0 exactly when every write so far was called back or has ended at once. On a plain
 * socket a write mostly ends at once; then the memory goes back to the session without waiting for the
 * callback, which finds nothing to do. TLS always calls back.
 */
export class Http2Output {
  readonly #socket: SessionSocket
  readonly #session: Http2Session
  readonly #events: OutputEvents
  #isScheduled = false
  #isWriting = false
  #isFinishing = false
  #isClosed = false

  constructor(socket: SessionSocket, session: Http2Session, events: OutputEvents) {
    this.#socket = socket
    this.#session = session
    this.#events = events
  }

  /** Writes when the events of this turn were handled. */
  schedule(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    setImmediate(flushAtTurnEnd, this)
  }

  /** Reports when everything was handed to the socket. */
  finish(): void {
    this.#isFinishing = true
    this.schedule()
  }

  /** Writes nothing more. */
  close(): void {
    this.#isClosed = true
  }

  onTurnEnd(): void {
    this.#isScheduled = false
    if (!this.#isWriting) this.#guardedFlush(false)
  }

  /** One for all writes. A failed one is reported by the socket's 'error' and 'close'. */
  readonly #onWritten = (): void => {
    if (!this.#isWriting || this.#isClosed || this.#socket.writableLength > 0) return
    this.#isWriting = false
    this.#events.onCaughtUp()
    this.#guardedFlush(true)
  }

  #guardedFlush(hasWritten: boolean): void {
    try {
      if (hasWritten) this.#session.releaseOutput()
      this.#flush()
    } catch (error) {
      containFault('writing to an HTTP/2 client', error, fault => this.#events.onFault(fault))
    }
  }

  #flush(): void {
    if (this.#isClosed) return
    const session = this.#session
    const socket = this.#socket
    this.#events.onBeforeFlush()
    // A release may make room for more, which is as good now as a turn later.
    while (session.outputBytes > 0 && socket.writable && !this.#isClosed) {
      this.#isWriting = true
      writeAll(socket, session.takeOutput(), this.#onWritten)
      if (socket.writableLength > 0) {
        this.#events.onBehind()
        return
      }
      this.#isWriting = false
      session.releaseOutput()
    }
    if (this.#isFinishing && !this.#isClosed) {
      this.#isClosed = true
      this.#events.onFinished()
    }
  }
}

/** One function for all, so that a flush needs no closure. */
function flushAtTurnEnd(output: Http2Output): void {
  output.onTurnEnd()
}

function writeAll(socket: SessionSocket, pieces: readonly Buffer[], onWritten: () => void): void {
  const last = pieces.length - 1
  if (last < 0) return
  if (last > 0) {
    socket.cork()
    for (let i = 0; i < last; i++) socket.write(pieces[i])
  }
  socket.write(pieces[last], onWritten)
  if (last > 0) socket.uncork()
}
