import type { UdpAddress } from '../engine.ts'

/**
 * More than a PATH_RESPONSE takes to come back from nearly everywhere: a challenge that is still under way
 * when another one was answered can make quiche give the path up with the next loss timer, validated or not.
 */
const CHALLENGE_EVERY_MS = 500

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
