import type { FleetHost, FleetStep, FleetView } from '../../src/state/shares/fleet-step.ts'

/**
 * What Redis does with a step (src/service/fleet/share-script.ts), without Redis: a test shows that both do
 * the same.
 */
export class FleetStore {
  readonly #leaseMs: number
  readonly #hosts = new Map<string, FleetHost>()
  #since: number | undefined

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  /** It is started anew and has lost what it knew; or, with the hosts, an old copy of it is restored. */
  restart(hosts: ReadonlyMap<string, FleetHost> = new Map()): void {
    this.#hosts.clear()
    for (const [name, host] of hosts) this.#hosts.set(name, host)
    this.#since = undefined
  }

  get hosts(): ReadonlyMap<string, FleetHost> {
    return new Map(this.#hosts)
  }

  step({ member, number, keeps, wants, claims, ceiling, leaves }: FleetStep, now: number): FleetView {
    for (const [name, { until }] of this.#hosts) if (until <= now) this.#hosts.delete(name)
    this.#since ??= now
    const known = this.#hosts.get(member)
    if (known === undefined || number > known.number) {
      let others = 0
      for (const [name, { granted }] of this.#hosts) if (name !== member) others += granted
      const granted = claims > keeps ? Math.min(claims, Math.max(keeps, ceiling - others)) : keeps
      if (leaves) this.#hosts.delete(member)
      else this.#hosts.set(member, { number, granted, wants, until: now + this.#leaseMs })
    }
    return { now, since: this.#since, hosts: this.hosts }
  }
}
