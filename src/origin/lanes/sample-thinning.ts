/** Exchanges that end this close to each other met the same way and the same load. */
const CLOSE_MS = 1
/** After one that is looked at, so many that end close behind it are passed over. */
const PASSED_OVER = 7
/** The first ones are all looked at: learning is about fifty requests. */
const FIRST = 256

/**
 * Which exchanges are samples for the choice of a lane. At a hundred thousand a second looking at each of
 * them took an eighth of the CPU of small requests, and told nothing that one in eight does not tell. Those
 * that fail are passed over alike, so that shares stay what they are.
 */
export class SampleThinning {
  #seen = 0
  #sampledAt = Number.NEGATIVE_INFINITY
  #passedOver = 0

  /** Whether the exchange that ends now is one. `isTrial`: a trial counts its requests. */
  takes(isTrial: boolean, now: number): boolean {
    if (
      !isTrial &&
      this.#seen >= FIRST &&
      now - this.#sampledAt < CLOSE_MS &&
      this.#passedOver < PASSED_OVER
    ) {
      this.#passedOver += 1
      return false
    }
    this.#seen += 1
    this.#sampledAt = now
    this.#passedOver = 0
    return true
  }
}
