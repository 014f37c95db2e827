import type { PathEvent } from '../driven-connection.ts'
import type { UdpAddress } from '../engine.ts'
import { PathBounces, type ReceivedFrom } from './path-bounces.ts'

/**
 * More than a PATH_RESPONSE takes to come back from nearly everywhere: a challenge that is still under way
 * when another one was answered can make quiche give the path up with the next loss timer, validated or not.
 */
const CHALLENGE_EVERY_MS = 500

/** What quiche is asked for in between. */
export interface FollowedClientCalls {
  deliver(datagram: Buffer, from: UdpAddress, now: number): void
  challenge(address: UdpAddress): void
  ping(): void
  /** Makes what it has to send before anything else is delivered. */
  sendAhead(now: number): void
}

/** The datagrams of a client that may move, on their way to a server's connection: runs PathBounces. */
export class FollowedClient {
  readonly #calls: FollowedClientCalls
  readonly #bounces: PathBounces
  readonly #pace = new ChallengePace()

  constructor(remote: UdpAddress, calls: FollowedClientCalls) {
    this.#calls = calls
    this.#bounces = new PathBounces(remote)
  }

  receive(datagram: Buffer, from: UdpAddress, now: number): void {
    const bounces = this.#bounces
    if (bounces.name === 'settled') this.#calls.deliver(datagram, from, now)
    // It may be held until another one comes.
    else this.#deliver(bounces.onDatagram(Buffer.from(datagram), from, now), now)
    if (!bounces.isCurrent(from)) this.#onElsewhere(from, now)
    // The client has to acknowledge a ping, unless it has something to say already.
    else if (bounces.name === 'holding') this.#calls.ping()
  }

  /** All that quiche has said of paths since the last time. */
  onPathEvents(events: readonly PathEvent[], now: number): void {
    if (events.length > 0) this.#bounces.onPathEvents(events, now)
  }

  /** When onTimer() wants to be called. */
  get nextAt(): number {
    return this.#bounces.nextAt
  }

  onTimer(now: number): void {
    this.#deliver(this.#bounces.onTimer(now), now)
  }

  #onElsewhere(from: UdpAddress, now: number): void {
    if (this.#pace.onDatagram(from, now)) this.#calls.challenge(from)
    // quiche goes to an address whose validation has failed when its client speaks up from there, and has no
    // path at all until it has sent a new challenge: with the next datagram it would end the connection
    // (InvalidState; seen under loss). Where a congestion window has no room for the challenge this does not
    // help.
    this.#calls.sendAhead(now)
  }

  #deliver(received: readonly ReceivedFrom[], now: number): void {
    for (const { datagram, from } of received) this.#calls.deliver(datagram, from, now)
  }
}

/**
 * When a client that sends from an address that is not validated should be challenged once more (RFC 9000
 * 8.2.1 lets a lost PATH_CHALLENGE be repeated). quiche 0.18 challenges a new address by itself, but repeats
 * that only when a loss timer of the path fires. Where the challenge was lost, and each of the small packets
 * that the limit of amplification allows (8.1) is acknowledged, none does: the client would get three bytes
 * for each that it sends, for ever.
 */
export class ChallengePace {
  #address: UdpAddress | undefined
  #challengedAt = 0

  /** A datagram came from there. The first time quiche sees to it. */
  onDatagram(from: UdpAddress, now: number): boolean {
    if (this.#address === undefined || this.#address.port !== from.port || this.#address.host !== from.host) {
      this.#address = from
      this.#challengedAt = now
      return false
    }
    if (now - this.#challengedAt < CHALLENGE_EVERY_MS) return false
    this.#challengedAt = now
    return true
  }
}
