import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '../clock.ts'

/**
 * Notices that this machine's addresses have changed: a cable, a tunnel, another network. Node has no event for it, so that they are compared now and
 * then.
 */
export class NetworkWatch {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #onChanged: () => void
  readonly #addresses: () => string
  #seen: string
  #timer: Timer | undefined

  /** `intervalMs` 0: never looks. */
  constructor(
    clock: Clock,
    intervalMs: number,
    onChanged: () => void,
    addresses: () => string = addressesOfThisMachine,
  ) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#onChanged = onChanged
    this.#addresses = addresses
    this.#seen = intervalMs > 0 ? addresses() : ''
    this.#arm()
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    if (this.#intervalMs > 0) this.#timer = this.#clock.setTimer(this.#intervalMs, () => this.#look())
  }

  #look(): void {
    this.#arm()
    const now = this.#addresses()
    if (now === this.#seen) return
    this.#seen = now
    this.#onChanged()
  }
}

/** Link-local addresses come and go without meaning anything. */
function addressesOfThisMachine(): string {
  return Object.entries(networkInterfaces())
    .flatMap(([name, addresses = []]) => addresses.map(({ address }) => `${name} ${address}`))
    .filter(line => !line.includes(' fe80:'))
    .sort()
    .join('\n')
}
