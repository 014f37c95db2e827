import type { Estimate } from './estimate.ts'

/**
 * Readings of what QUIC lost, of 16 exchanges each: at 1 % of losses, one in a thousand such rows has none.
 */
const READINGS = 24
/** Below, a way loses next to nothing; in between, what was said of it goes on. */
const CLEAN_RATIO = 0.001
const LOSSY_RATIO = 0.003

/**
 * Whether packets may get lost on the way to an origin, as far as is known. In the fifty requests of a first
 * choice nobody sees 1 % of losses: half of all such choices see none at all. And small responses over TCP
 * pay most for them: a lost last packet waits for a time-out of 200 ms or more (RFC 6298; Linux has that as
 * its least), over QUIC for a few round-trip times (RFC 9002 section 6.2). So a way is risky until enough has
 * been counted.
 *
 * Valid transitions: risky -> clean (so many packets, and next to none lost), clean -> risky (some are lost;
 * another network).
 */
export class PathRisk {
  #isRisky = true

  get isRisky(): boolean {
    return this.#isRisky
  }

  /** `loss`: of the lane that counts packets, as it is now. */
  onLoss(loss: Estimate): void {
    if (loss.mean >= LOSSY_RATIO) this.#isRisky = true
    else if (loss.samples >= READINGS && loss.mean < CLEAN_RATIO) this.#isRisky = false
  }

  onNetworkChanged(): void {
    this.#isRisky = true
  }
}
