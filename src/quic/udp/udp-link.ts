import type { Clock, Timer } from '../../base/clock.ts'
import { DeadlineTimer } from '../../base/clock.ts'
import { guarded, guardedImmediate, reportFault } from '../../base/guard.ts'
import type { DrivenConnection } from '../driven-connection.ts'
import type { LinkMover, OutgoingDatagram, QuicLink, QuicLinkOwner, UdpAddress } from '../engine.ts'
import type { Turns } from './turns.ts'

const ENDING = 'ending a QUIC connection'

/** How soon a full socket is tried again. */
const FULL_SOCKET_MS = 1

/** What a link needs of the socket below it: see UdpSocket. */
export interface LinkSocket {
  room(bytes: number): Buffer
  send(datagram: OutgoingDatagram): void
  flush(): void
  /** Not a getter: a literal with one is a slow object, and this is asked for each datagram. */
  isFull(): boolean
  ref(): void
  unref(): void
  /** The link will neither send nor receive any more. */
  release(): void
}

export interface UdpLinkOptions {
  readonly connection: DrivenConnection
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly socket: LinkSocket
  readonly clock: Clock
  readonly turns: Turns
  /** Between the owner's turn and sending. */
  readonly beforeSending?: (() => void) | undefined
  /** The socket is about to go. */
  readonly onOver?: (() => void) | undefined
}

/**
 * Runs one connection. All that a poll of the loop brings is given to the engine at once; the turn behind it
 * then lets the owner act and sends what there is: one flush for many datagrams (160 instead of 41 MB per CPU
 * second of download, and one acknowledgement for many packets).
 *
 * The timer is lazy: it is armed when a deadline comes closer, and finds out when it fires whether that was
 * moved.
 */
export class UdpLink implements QuicLink {
  readonly connection: DrivenConnection
  readonly local: UdpAddress
  readonly remote: UdpAddress
  mover: LinkMover | undefined
  readonly #socket: LinkSocket
  readonly #clock: Clock
  readonly #turns: Turns
  readonly #beforeSending: (() => void) | undefined
  readonly #onOver: (() => void) | undefined
  readonly #timer: DeadlineTimer
  readonly #onTurn = (): void => this.#guardedTurn()
  #owner: QuicLinkOwner | undefined
  #fullTimer: Timer | undefined
  #isScheduled = false
  #isOver = false
  #isClosedTold = false
  #waiting: (() => void)[] = []
  /** What the socket said when it ended the connection. */
  #socketError: Error | undefined

  constructor(options: UdpLinkOptions) {
    this.connection = options.connection
    this.local = options.local
    this.remote = options.remote
    this.#socket = options.socket
    this.#clock = options.clock
    this.#turns = options.turns
    this.#beforeSending = options.beforeSending
    this.#onOver = options.onOver
    this.#timer = new DeadlineTimer(options.clock, () => this.#onDue())
  }

  get owner(): QuicLinkOwner | undefined {
    return this.#owner
  }

  /** Events wait in the connection until somebody takes them: the new owner gets a turn. */
  set owner(owner: QuicLinkOwner | undefined) {
    this.#owner = owner
    if (owner === undefined) return
    if (this.#isOver) guardedImmediate(ENDING, () => this.#tellClosed())
    else this.schedule()
  }

  get socketError(): Error | undefined {
    return this.#socketError
  }

  get isOver(): boolean {
    return this.#isOver
  }

  whenOver(): Promise<void> | undefined {
    return this.#isOver ? undefined : new Promise(resolve => this.#waiting.push(resolve))
  }

  schedule(): void {
    if (this.#isScheduled || this.#isOver) return
    this.#isScheduled = true
    this.#turns.add(this.#onTurn)
  }

  /** `to`: where it came to; the first address of the link, unless it has others. */
  receive(datagram: Buffer, from: UdpAddress, to: UdpAddress = this.local): void {
    if (this.#isOver) return
    try {
      this.connection.receive(datagram, from, to, this.#clock.now())
      this.schedule()
    } catch (error) {
      this.#onFault('a datagram of a QUIC connection', error)
    }
  }

  /** Sends what there is, without a turn of the owner: the first flight need not wait for the loop. */
  flush(): void {
    if (!this.#isOver) this.#send(this.#clock.now())
  }

  /**
   * The socket has an error: ICMP says that nobody listens there (any more), or before the handshake that the
   * peer cannot be reached. Later only the former counts: routes come back, and the peer may do so too.
   */
  onSocketError(error: Error): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
    if (this.#isOver || (this.connection.isEstablished && code !== 'ECONNREFUSED')) return
    this.#socketError = error
    this.connection.fail(`the socket failed: ${code ?? error.message}`)
    this.schedule()
  }

  /** Nothing is carried any more, whatever the peer does. */
  onPathLost(error: Error): void {
    if (this.#isOver) return
    this.#socketError = error
    this.connection.fail(`the path was lost: ${error.message}`)
    this.schedule()
  }

  /** Ends it without waiting for anything: the peer is notified once, and nothing is left behind. */
  abandon(): void {
    if (this.#isOver) return
    this.connection.close(false, 0, '')
    this.#send(this.#clock.now())
    this.connection.fail('given up')
    this.#finish()
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  #onDue(): void {
    if (this.#isOver) return
    try {
      this.connection.onTimeout(this.#clock.now())
    } catch (error) {
      this.#onFault('a timeout of a QUIC connection', error)
      return
    }
    this.#guardedTurn()
  }

  /** A turn that fails ends this connection and no other. */
  #guardedTurn(): void {
    try {
      this.#turn()
    } catch (error) {
      this.#onFault('a turn of a QUIC connection', error)
    }
  }

  #onFault(during: string, error: unknown): void {
    reportFault(during, error)
    guarded(ENDING, () => this.connection.fail('a defect'))
    guarded(ENDING, () => this.#finish())
  }

  #turn(): void {
    this.#isScheduled = false
    if (this.#isOver) return
    const now = this.#clock.now()
    this.#owner?.onTurn(now)
    this.#beforeSending?.()
    this.#send(now)
  }

  #send(now: number): void {
    // The owner may have given up in its turn.
    if (this.#isOver) return
    const { connection } = this
    const socket = this.#socket
    const bytes = connection.packetRoomBytes
    while (!this.#isFull()) {
      const datagram = connection.nextDatagram(now, socket.room(bytes))
      if (datagram === undefined) break
      socket.send(datagram)
    }
    socket.flush()
    if (connection.isClosed) return this.#finish()
    const at = connection.nextTimeoutAt(now)
    if (at <= now) this.schedule()
    else this.#timer.cover(at)
  }

  /** The kernel did not take all: nothing more is made until it is gone. */
  #isFull(): boolean {
    if (!this.#socket.isFull()) return false
    this.#fullTimer ??= this.#clock.setTimer(FULL_SOCKET_MS, () => {
      this.#fullTimer = undefined
      this.schedule()
    })
    return true
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer.cancel()
    this.#fullTimer?.cancel()
    guarded(ENDING, () => this.#onOver?.())
    guarded(ENDING, () => this.#socket.release())
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.#tellClosed()
  }

  #tellClosed(): void {
    if (this.#owner === undefined || this.#isClosedTold) return
    this.#isClosedTold = true
    guarded(ENDING, () => this.#owner?.onTurn(this.#clock.now()))
    this.#owner?.onClosed()
  }
}
