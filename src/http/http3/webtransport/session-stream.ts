import type { RawStream, RawStreamOwner, StreamDirection } from '../../../base/http/web-transport-carrier.ts'
import type { QuicConnection } from '../../../quic/engine.ts'
import { fromWireCode, toWireCode } from './code-points.ts'

/** What is smaller is gathered, until the turn of the loop ends. */
const CORK_BYTES = 4096

const EMPTY = [0, true] as const

const NO_PIECES: Buffer[] = Object.freeze([]) as unknown as Buffer[] // frozen: replaced, never written

/** What a stream asks of its connection. */
export interface SessionStreamHost {
  readonly quic: QuicConnection
  /** Something was put out, or read, from outside of a turn. */
  onOutput(): void
  /** flush() wants to be called when the turn of the loop ends. */
  cork(stream: SessionStream): void
  /** Both sides are done. */
  forget(stream: SessionStream): void
}

/**
 * Where our side of a stream stands.
 * - `open`: takes bytes. Valid transitions: ending, done
 * - `ending`: the end was asked for, and waits for room. Valid transitions: done
 * - `done`: QUIC has its end, or it was broken off, by whomever; or it has none. Final
 */
type SendState = 'open' | 'ending' | 'done'

/**
 * One stream of a session on its QUIC connection.
 *
 * Of what is written the last byte stays here until the turn of the loop ends, so that an end that follows at
 * once leaves with it: an end that stands alone costs a datagram (see QuicConnection.finish).
 */
export class SessionStream implements RawStream {
  readonly id: number
  readonly sessionId: number
  readonly direction: StreamDirection
  readonly isLocal: boolean
  owner: RawStreamOwner | undefined = undefined
  readonly #host: SessionStreamHost
  /** It ended with its header: its reader does not know. */
  #isEmpty: boolean
  #isReceiveOpen: boolean
  #send: SendState
  #pieces: Buffer[] = NO_PIECES
  #pieceBytes = 0
  /** QUIC took less than it was offered. */
  #isBlocked = false

  /** `header`: of a stream of ours. `isEmpty`: the end of the peer's has come with its header. */
  constructor(
    host: SessionStreamHost,
    identity: { readonly id: number; readonly sessionId: number; readonly isLocal: boolean },
    header: Buffer | undefined,
    isEmpty: boolean,
  ) {
    const { id, isLocal } = identity
    this.#host = host
    this.id = id
    this.sessionId = identity.sessionId
    this.isLocal = isLocal
    this.direction = (id & 2) === 0 ? 'bidirectional' : 'unidirectional'
    const isBidirectional = this.direction === 'bidirectional'
    this.#isReceiveOpen = isBidirectional || !isLocal
    this.#send = isBidirectional || isLocal ? 'open' : 'done'
    this.#isEmpty = isEmpty
    if (header !== undefined) this.#gather(header)
  }

  // Receiving

  read(into: Buffer): readonly [bytes: number, isEnd: boolean] | undefined {
    if (!this.#isReceiveOpen) return undefined
    const read = this.#isEmpty ? EMPTY : this.#host.quic.read(this.id, into)
    if (read === undefined) return undefined
    if (read[1]) {
      this.#isReceiveOpen = false
      this.#settle()
    }
    this.#host.onOutput() // it is credit for the peer
    return read
  }

  stop(code: number): void {
    if (!this.#isReceiveOpen) return
    this.#isReceiveOpen = false
    this.#host.quic.stopAtOnce(this.id, toWireCode(code))
    this.#settle()
    this.#host.onOutput()
  }

  // Sending

  write(bytes: Uint8Array): number {
    const { length } = bytes
    if (this.#send !== 'open') return length // it goes nowhere
    if (this.#isBlocked || length === 0) return 0
    if (this.#pieceBytes + length <= CORK_BYTES) {
      this.#gather(bytes)
      return length
    }
    if (!this.#flush(false)) return 0
    const taken = this.#host.quic.write(this.id, bytes.subarray(0, length - 1), false)
    this.#host.onOutput()
    if (taken < length - 1) {
      this.#isBlocked = true
      return taken
    }
    this.#gather(bytes.subarray(length - 1))
    return length
  }

  end(): void {
    if (this.#send !== 'open') return
    this.#send = 'ending'
    if (!this.#isBlocked) this.#finish()
    this.#host.onOutput()
  }

  reset(code: number): void {
    this.#resetWith(toWireCode(code))
  }

  prioritize(urgency: number, incremental: boolean): void {
    if (this.#send !== 'done') this.#host.quic.prioritize(this.id, urgency, incremental)
  }

  /** Puts out what was gathered. */
  flush(): void {
    if (this.#send === 'open' && !this.#isBlocked) this.#flush(false)
  }

  // What the connection reports

  onReadable(): void {
    if (this.#isReceiveOpen) this.owner?.onReadable()
  }

  onRoom(): void {
    this.#isBlocked = false
    if (this.#send === 'ending') this.#finish()
    else if (this.#send === 'open' && this.#flush(false)) this.owner?.onWritable()
  }

  onPeerReset(wireCode: number): void {
    if (!this.#isReceiveOpen) return
    this.#isReceiveOpen = false
    this.#settle()
    this.owner?.onReset(fromWireCode(wireCode))
  }

  onPeerStop(wireCode: number): void {
    if (this.#send === 'done') return
    this.#endSending()
    this.#settle()
    this.owner?.onStopped(fromWireCode(wireCode))
  }

  /** Breaks both sides off with a code of HTTP/3. */
  breakOff(wireCode: number): void {
    if (this.#isReceiveOpen) {
      this.#isReceiveOpen = false
      this.#host.quic.stop(this.id, wireCode)
    }
    this.#resetWith(wireCode)
    this.#settle()
    this.owner = undefined
  }

  #resetWith(wireCode: number): void {
    if (this.#send === 'done') return
    this.#endSending()
    this.#host.quic.reset(this.id, wireCode)
    this.#settle()
    this.#host.onOutput()
  }

  #gather(bytes: Uint8Array): void {
    if (this.#pieceBytes === 0) this.#host.cork(this)
    if (this.#pieces === NO_PIECES) this.#pieces = []
    this.#pieces.push(Buffer.from(bytes))
    this.#pieceBytes += bytes.length
  }

  /** True: QUIC has taken all that was gathered. */
  #flush(isLast: boolean): boolean {
    if (this.#pieceBytes === 0) return true
    const bytes = Buffer.concat(this.#pieces, this.#pieceBytes)
    const taken = this.#host.quic.write(this.id, bytes, isLast)
    this.#pieceBytes -= taken
    this.#isBlocked = this.#pieceBytes > 0
    this.#pieces = this.#isBlocked ? [bytes.subarray(taken)] : NO_PIECES
    return !this.#isBlocked
  }

  #finish(): void {
    if (this.#pieceBytes > 0 ? !this.#flush(true) : !this.#host.quic.finish(this.id)) {
      this.#isBlocked = true
      return
    }
    this.#endSending()
    this.#settle()
  }

  #endSending(): void {
    this.#send = 'done'
    this.#pieces = NO_PIECES
    this.#pieceBytes = 0
  }

  #settle(): void {
    if (!this.#isReceiveOpen && this.#send === 'done') this.#host.forget(this)
  }
}
