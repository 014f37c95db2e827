import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '../../base/clock.ts'
import { guarded } from '../../base/guard.ts'

/** An address of this machine, and the interface that has it. */
export interface MachineAddress {
  readonly interface: string
  readonly address: string
}

/**
 * Notices that this machine's addresses have changed: a cable, a tunnel, another network. Node has no event
 * for it, so that they are compared now and then.
 */
export class NetworkWatch {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #onChanged: (present: ReadonlySet<string>) => void
  readonly #addresses: () => readonly MachineAddress[]
  /** As they were when they could be read last. */
  #latest: readonly MachineAddress[] = []
  #seen: string
  #timer: Timer | undefined

  /** `intervalMs` 0: never looks. */
  constructor(
    clock: Clock,
    intervalMs: number,
    onChanged: (present: ReadonlySet<string>) => void,
    addresses: () => readonly MachineAddress[] = addressesOfThisMachine,
  ) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#onChanged = onChanged
    this.#addresses = addresses
    this.#seen = intervalMs > 0 ? fingerprint(this.#read()) : ''
    this.#arm()
  }

  /**
   * Those that this machine has now, link-local ones included; while they cannot be read, those that it had.
   */
  present(): ReadonlySet<string> {
    return new Set(this.#read().map(({ address }) => address))
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
    const addresses = this.#read()
    const now = fingerprint(addresses)
    if (now === this.#seen) return
    this.#seen = now
    this.#onChanged(new Set(addresses.map(({ address }) => address)))
  }

  /** To read them takes a descriptor. A process that has none left has lost no address by that. */
  #read(): readonly MachineAddress[] {
    this.#latest = guarded('reading the addresses of this machine', this.#addresses) ?? this.#latest
    return this.#latest
  }
}

/** Link-local addresses come and go without meaning anything. */
function fingerprint(addresses: readonly MachineAddress[]): string {
  return addresses
    .filter(({ address }) => !address.startsWith('fe80:'))
    .map(line => `${line.interface} ${line.address}`)
    .sort()
    .join('\n')
}

function addressesOfThisMachine(): MachineAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map(({ address }) => ({ interface: name, address })),
  )
}
