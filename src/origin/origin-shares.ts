import type { Clock } from '../base/clock.ts'
import { guardedPromise } from '../base/guard.ts'
import type { CeilingShare, OriginCeiling } from '../pool/origin-ceiling.ts'
import { type ShareFigures, ShareKeeper } from '../state/shares/share-keeper.ts'
import type { SharePort } from '../state/shares/share-messages.ts'

/** How often a member asks though it has no reason to. */
const RENEW_MS = 1_000

export interface OriginSharesParts {
  readonly port: SharePort
  readonly clock: Clock
  /** Of this process; no other one of the ledger has it. */
  readonly member: string
}

/** What this process has of the ceilings of protected origins that other processes have a part in. */
export class OriginShares {
  readonly #parts: OriginSharesParts
  readonly #keepers = new Map<string, ShareKeeper>()

  constructor(parts: OriginSharesParts) {
    this.#parts = parts
    parts.port.onNews?.(of => this.#keepers.get(of)?.onNews())
  }

  /** Keeps our share of an origin's ceiling, until nothing is held of it any more. */
  join(of: string, holder: OriginCeiling): CeilingShare {
    const { port, clock, member } = this.#parts
    const firstNumber = Math.floor(clock.now()) // a second is enough for 40 questions
    const keeper = new ShareKeeper({
      of,
      member,
      holder,
      port,
      clock,
      firstNumber,
      renewMs: RENEW_MS,
      leaseMs: Infinity,
      takesFloor: false, // the host does, and shares it out
    })
    this.#keepers.set(of, keeper)
    return {
      configure: (maxConnections, floor) => keeper.configure(maxConnections, floor),
      look: () => keeper.look(),
      leave: () => {
        guardedPromise('leaving a ceiling', keeper.leave())
        this.#keepers.delete(of)
      },
    }
  }

  /** Undefined: it has no part in a ceiling of that name. */
  figuresOf(of: string): ShareFigures | undefined {
    return this.#keepers.get(of)?.figures
  }
}
