/** One that takes turns. */
export interface TurnTaker {
  readonly index: number
  readonly weight: number
}

/**
 * Smooth weighted round robin, as nginx has it: at each turn everybody gains its weight, and who has most
 * gives the sum of all back and takes the turn. Weights 5, 1, 1 give a a b a c a a, not five in a row.
 */
export class SmoothRoundRobin {
  readonly #credit: number[] = []

  /** Whose turn it is; undefined: there is nobody. */
  next(takers: readonly TurnTaker[]): number | undefined {
    let total = 0
    let best: number | undefined
    let most = -Infinity
    for (const { index, weight } of takers) {
      const credit = (this.#credit[index] ?? 0) + weight
      this.#credit[index] = credit
      total += weight
      if (credit <= most) continue
      most = credit
      best = index
    }
    if (best !== undefined) this.#credit[best] = most - total
    return best
  }

  /** What it gathered while it was away is no claim. */
  forget(index: number): void {
    this.#credit[index] = 0
  }
}
