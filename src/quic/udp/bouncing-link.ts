import type { Clock, Timer } from '../../base/clock.ts'
import { guardedListener } from '../../base/guard.ts'
import type { PathEvent } from '../driven-connection.ts'
import type { UdpAddress } from '../engine.ts'
import { ChallengePace } from './challenge-pace.ts'
import { PathBounces, type Told } from './path-bounces.ts'
import type { UdpLink } from './udp-link.ts'

/**
 * Gives a server's connection the datagrams of a client that may move: runs PathBounces, between the socket
 * and the link.
 */
export class VisitingLink {
  readonly #link: UdpLink
  readonly #clock: Clock
  readonly #visits: PathBounces
  readonly #pace = new ChallengePace()
  #timer: Timer | undefined

  constructor(link: UdpLink, clock: Clock) {
    this.#link = link
    this.#clock = clock
    this.#visits = new PathBounces(link.remote)
  }

  receive(datagram: Buffer, from: UdpAddress): void {
    const visits = this.#visits
    if (visits.name === 'settled') this.#link.receive(datagram, from)
    else this.#tell(visits.onDatagram(datagram, from, this.#clock.now()))
    if (!visits.isCurrent(from)) this.#onElsewhere(from)
    else if (visits.name === 'holding' && this.#timer === undefined) this.#askForAnother()
  }

  /** Between the owner's turn and sending. */
  onTurn(): void {
    const { connection } = this.#link
    let events: PathEvent[] | undefined
    for (let event = connection.nextPathEvent(); event !== undefined; event = connection.nextPathEvent())
      (events ??= []).push(event)
    if (events !== undefined) this.#visits.onPathEvents(events, this.#clock.now())
  }

  /** The link is over. */
  end(): void {
    this.#timer?.cancel()
  }

  #onElsewhere(from: UdpAddress): void {
    const { connection, local } = this.#link
    if (this.#pace.onDatagram(from, this.#clock.now())) connection.validatePath(local, from)
    // quiche goes to an address whose validation has failed when its client speaks up from there, and has no
    // path at all until it has sent a new challenge: with the next datagram it would end the connection
    // (InvalidState; seen under loss). Where a congestion window has no room for the challenge this does not
    // help.
    this.#link.flush()
  }

  /** The client has to acknowledge it, unless it has something to say already. */
  #askForAnother(): void {
    const { connection } = this.#link
    connection.ping()
    this.#link.schedule()
    const delayMs = Math.max(0, this.#visits.nextAt - this.#clock.now())
    const onTimer = (): void => {
      this.#timer = undefined
      this.#tell(this.#visits.onTimer(this.#clock.now()))
    }
    const onFault = (): void => this.#link.abandon()
    this.#timer = this.#clock.setTimer(delayMs, guardedListener('a visit of a client', onTimer, onFault))
  }

  #tell(told: readonly Told[]): void {
    for (const { datagram, from } of told) this.#link.receive(datagram, from)
    if (told.length === 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
