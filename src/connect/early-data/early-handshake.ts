import type { HandshakeInfo } from '../../base/events/connection.ts'
import { guarded, guardedImmediate } from '../../base/guard.ts'
import type { EarlyPhase } from '../../base/http/early-gate.ts'
import type { TcpInfo } from '../native/tcp-info.ts'
import { isCookieLost, lostCookieError } from '../tcp/attempt-socket.ts'
import type { EarlyHandshaking } from '../tcp/dial-request.ts'
import type { EarlyHandshake, EarlySocket } from './early-socket.ts'

export interface EarlyHandshakeParts {
  readonly socket: EarlySocket
  /** Corrected when the handshake is complete. */
  readonly handshake: HandshakeInfo
  readonly limitMs: number
  /** What the kernel says of the connect; undefined when it is not asked. */
  readonly readInfo: (() => TcpInfo | undefined) | undefined
  /** Fills in what the handshake turned out to be, but for `kind` and `earlyData`. */
  readonly onComplete: (complete: EarlyHandshake) => void
  /** The connection has ended before that. `isGivenUp`: by our own will, and nothing was wrong with it. */
  readonly onFailed: (error: unknown, isGivenUp: boolean) => void
  readonly purgeTickets: () => void
}

/** By then what was to leave early has left: the request is written at once or at the end of a turn. */
const TURNS_TO_DEPARTURE = 8

/** The handshake of a connection that is in use already. */
export class EarlyHandshakeWatch implements EarlyHandshaking {
  readonly limitMs: number
  readonly #parts: EarlyHandshakeParts
  #listeners: (() => void)[] = []
  #outcome: EarlyHandshaking['outcome'] = 'unused'
  #isOver = false
  #isHarmed = false

  constructor(parts: EarlyHandshakeParts) {
    this.#parts = parts
    this.limitMs = parts.limitMs
    const { socket } = parts
    socket.onHandshake = complete => this.#onHandshake(complete)
    // Before the connection is notified of it, and purges the tickets.
    socket.socket.once('error', error => this.#end(error))
    socket.socket.once('close', () => this.#end(undefined))
    if (parts.readInfo !== undefined) this.#watchDeparture(TURNS_TO_DEPARTURE)
  }

  get phase(): EarlyPhase {
    return this.#parts.socket.phase
  }

  get outcome(): EarlyHandshaking['outcome'] {
    return this.#outcome
  }

  onOpen(callback: () => void): void {
    if (!this.#isOver) this.#listeners.push(callback)
  }

  purgeTickets(): void {
    this.#isHarmed = true
    this.#parts.purgeTickets()
  }

  #end(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#listeners = []
    // A listener of the socket: the connection is notified of the end whatever goes wrong here.
    guarded('the end of a handshake', () =>
      this.#parts.onFailed(error, error === undefined && !this.#isHarmed),
    )
  }

  #onHandshake(complete: EarlyHandshake): void {
    this.#isOver = true
    const { handshake, onComplete } = this.#parts
    this.#outcome = complete.earlyData === 'none' ? 'unused' : complete.earlyData
    handshake.earlyData = complete.earlyData
    if (complete.earlyData !== 'accepted') handshake.kind = complete.isResumed ? 'resumed' : 'full'
    handshake.tlsVersion = complete.tlsVersion
    onComplete(complete)
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  /**
   * A first flight that cannot leave, since the kernel has lost its cookie meanwhile, would be waited for in
   * vain.
   */
  #watchDeparture(turns: number): void {
    guardedImmediate('the first flight of a dial', () => {
      const { socket, readInfo } = this.#parts
      if (this.#isOver || turns === 0) return
      if (socket.phase === 'collecting') this.#watchDeparture(turns - 1)
      else if (isCookieLost(readInfo?.())) socket.socket.destroy(lostCookieError())
    })
  }
}
