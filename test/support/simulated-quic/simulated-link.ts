import type { Clock, Timer } from '../../../src/base/clock.ts'
import type { QuicLink, QuicLinkOwner, UdpAddress } from '../../../src/quic/engine.ts'
import type { SimulatedConnection } from './simulated-connection.ts'

/**
 * A connection on a clock and a wire, driven as the port wants it: what comes at one moment is one turn, and
 * what a turn puts out leaves at its end. Like a real driver it calls the owner only when datagrams came or
 * time passed, not because something was scheduled.
 */
export class SimulatedLink implements QuicLink {
  readonly connection: SimulatedConnection
  readonly local: UdpAddress
  readonly remote: UdpAddress
  owner: QuicLinkOwner | undefined = undefined
  readonly mover = undefined
  readonly #clock: Clock
  readonly #send: (datagram: Buffer) => void
  #turn: Timer | undefined
  #timer: Timer | undefined
  #hasInput = false
  #isHeld = false
  #isOver = false
  readonly #waiting: (() => void)[] = []

  constructor(
    connection: SimulatedConnection,
    addresses: { local: UdpAddress; remote: UdpAddress },
    clock: Clock,
    send: (datagram: Buffer) => void,
  ) {
    this.connection = connection
    this.local = addresses.local
    this.remote = addresses.remote
    this.#clock = clock
    this.#send = send
  }

  /** The owner said ref(): a process would be kept alive. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** onClosed was called. */
  get isOver(): boolean {
    return this.#isOver
  }

  receive(datagram: Buffer): void {
    if (this.#isOver) return
    this.connection.receive(datagram, this.remote, this.local, this.#clock.now())
    this.#hasInput = true
    this.schedule()
  }

  whenOver(): Promise<void> | undefined {
    return this.#isOver ? undefined : new Promise(resolve => this.#waiting.push(resolve))
  }

  schedule(): void {
    if (!this.#isOver) this.#turn ??= this.#clock.setTimer(0, () => this.#runTurn())
  }

  ref(): void {
    this.#isHeld = true
  }

  unref(): void {
    this.#isHeld = false
  }

  #runTurn(): void {
    this.#turn = undefined
    const now = this.#clock.now()
    if (this.#hasInput || this.connection.isClosed) {
      this.#hasInput = false
      this.owner?.onTurn(now)
    }
    for (
      let out = this.connection.nextDatagram(now);
      out !== undefined;
      out = this.connection.nextDatagram(now)
    ) {
      this.#send(out.bytes)
    }
    if (this.connection.isClosed) this.#finish()
    else this.#rearm(now)
  }

  #rearm(now: number): void {
    this.#timer?.cancel()
    const at = this.connection.nextTimeoutAt(now)
    this.#timer = at === Infinity ? undefined : this.#clock.setTimer(at - now, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    this.connection.onTimeout(this.#clock.now())
    this.#hasInput = true
    this.schedule()
  }

  #finish(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#turn?.cancel()
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.owner?.onClosed()
  }
}
