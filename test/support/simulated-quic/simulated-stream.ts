import { CreditWindow } from './credit-window.ts'
import type { ReceiveStream } from './receive-stream.ts'
import type { SendStream } from './send-stream.ts'

/**
 * One stream with its sides (a unidirectional one has only one of them), what each side may still send, and
 * its priority.
 */
export class SimulatedStream {
  readonly id: number
  readonly send: SendStream | undefined
  readonly receive: ReceiveStream | undefined
  /** What the peer may send. */
  readonly window: CreditWindow
  /** The last byte that we may send. */
  sendLimit: number
  urgency = 3
  isIncremental = false
  /** The turn among incremental ones: who was served last comes last. */
  servedAt = 0
  /** A write took less than all. */
  isBlocked = false
  /** Bytes that the connection's window got back for it. */
  creditedBytes = 0

  constructor(
    id: number,
    sides: { send: SendStream | undefined; receive: ReceiveStream | undefined },
    limits: { sendBytes: number; windowBytes: number; maxWindowBytes: number },
  ) {
    this.id = id
    this.send = sides.send
    this.receive = sides.receive
    this.sendLimit = limits.sendBytes
    this.window = new CreditWindow(limits.windowBytes, limits.maxWindowBytes)
  }

  /** Which of its type it is, from 0 (RFC 9000 2.1). */
  get index(): number {
    return Math.floor(this.id / 4)
  }

  get isBidirectional(): boolean {
    return (this.id & 2) === 0
  }

  /** Both sides came to their end, and nothing of it has to be sent again. */
  get isDone(): boolean {
    return (this.send?.isDone ?? true) && (this.receive?.isDone ?? true)
  }

  /** The peer should be notified that it may send more. */
  get isCreditDue(): boolean {
    return this.receive?.isOpen === true && !this.receive.isFinalSizeKnown && this.window.isDue
  }

  /**
   * RFC 9218 10: lower urgency first; within one, streams in order of their ids, and after them incremental
   * ones in turns.
   */
  isBefore(other: SimulatedStream): boolean {
    if (this.urgency !== other.urgency) return this.urgency < other.urgency
    if (this.isIncremental !== other.isIncremental) return !this.isIncremental
    if (this.isIncremental && this.servedAt !== other.servedAt) return this.servedAt < other.servedAt
    return this.id < other.id
  }
}
