import { containFault, guardedPromise } from '../../base/guard.ts'
import type { LaneName } from '../../base/http/lane.ts'
import type { LaneSet } from './lane.ts'

/** Who hears what became of the connections for a trial. */
export interface TrialHost {
  onTrialReady(lane: LaneName): void
  /** `because` is for people. */
  onTrialUnavailable(lane: LaneName, because: string): void
}

/** Makes connections of lanes in the background, for which nobody waits. */
export class LanePreparation {
  readonly #lanes: LaneSet
  readonly #host: TrialHost
  /** Those that make() is at. */
  readonly #making = new Set<LaneName>()

  constructor(lanes: LaneSet, host: TrialHost) {
    this.#lanes = lanes
    this.#host = host
  }

  /** Makes one ready where there is none; once at a time. */
  make(name: LaneName): void {
    if (this.#making.has(name)) return
    const lane = this.#lanes.named(name)
    if (lane.name !== name || lane.pool.live > 0) return
    this.#making.add(name)
    const ended = (): void => {
      this.#making.delete(name)
    }
    guardedPromise('preparing a lane', lane.pool.preconnect(1).then(ended, ended)) // the connector has told how it went
  }

  /** Makes so many ready for a trial, and says how it went. */
  makeForTrial(name: LaneName, connections: number): void {
    const lane = this.#lanes.named(name)
    if (lane.name !== name) {
      this.#host.onTrialUnavailable(name, 'the pools of the origin are going away')
      return
    }
    const told = lane.pool.preconnect(connections).then(
      () => {
        if (lane.pool.live > 0) this.#host.onTrialReady(name)
        else this.#host.onTrialUnavailable(name, 'pool.maxConnections leaves no connection for it')
      },
      (error: Error) => this.#host.onTrialUnavailable(name, error.message),
    )
    const during = 'preparing a trial'
    guardedPromise(
      during,
      told.catch((error: unknown) =>
        // A trial that waits for connections would keep its place for ever.
        containFault(during, error, fault => this.#host.onTrialUnavailable(name, fault.message)),
      ),
    )
  }
}
