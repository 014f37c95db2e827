import type { HandshakeAmount, HandshakesAvoided } from './handshake-figures.ts'

/**
 * Adds up what one means avoided. Bytes and CPU are of those whose price was known: the rest is not claimed.
 */
export class AvoidedTally {
  #count = 0
  #roundTrips = 0
  #seconds = 0
  #bytes: number | undefined
  #cpuMs: number | undefined

  constructor() {
    this.#bytes = undefined
    this.#cpuMs = undefined
  }

  get figures(): HandshakesAvoided {
    return {
      count: this.#count,
      roundTrips: this.#roundTrips,
      seconds: this.#seconds,
      bytes: this.#bytes,
      cpuMs: this.#cpuMs,
    }
  }

  add(count: number, price: HandshakeAmount): void {
    this.#count += count
    this.#roundTrips += count * price.roundTrips
    this.#seconds += count * price.seconds
    this.#bytes = sum(this.#bytes, price.bytes, count)
    this.#cpuMs = sum(this.#cpuMs, price.cpuMs, count)
  }
}

/** `total` and `count` times the value. Undefined: neither was ever measured. */
export function sum(total: number | undefined, value: number | undefined, count: number): number | undefined {
  return value === undefined ? total : (total ?? 0) + count * value
}
