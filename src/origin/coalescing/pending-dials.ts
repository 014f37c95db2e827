import type { Clock } from '../../base/clock.ts'
import { guardedImmediate } from '../../base/guard.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import { type CoalescingSeeker, judgeCoalescing, type OfferedConnection } from './coalescing-decision.ts'

/** A dial whose connection others may use: what is known of that before it is there. */
export type PendingDial = Omit<OfferedConnection, 'certificateNames' | 'originSet'>

/** What the last connection to an address showed. */
type SeenPeer = Pick<OfferedConnection, 'certificateNames' | 'originSet'>

interface UnderWay {
  readonly dial: PendingDial
  readonly over: Promise<void>
}

/** Addresses whose last certificate is remembered; the one that was seen first makes room. */
const MAX_SEEN = 1024

/** A connect of its own would take as long at the same address, or fail as well. */
const MAX_WAIT_MS = 2_000

/**
 * The dials of all origins that are under way. When the connection that several share has ended, their next
 * requests come within one handshake, and each would make a connection of its own. Whom the last certificate
 * at that address covers waits for the dial of the other.
 */
export class PendingDials {
  readonly #underWay = new Set<UnderWay>()
  readonly #seen = new Map<string, SeenPeer>()

  /** A connection is open, or an ORIGIN frame came over it. */
  onSeen({ protocol, endpoint }: Pick<PendingDial, 'protocol' | 'endpoint'>, seen: SeenPeer): void {
    const key = keyOf({ protocol, endpoint })
    this.#seen.delete(key)
    this.#seen.set(key, seen)
    const first = this.#seen.keys().next()
    if (this.#seen.size > MAX_SEEN && first.done !== true) this.#seen.delete(first.value)
  }

  /** A dial begins. Returns what ends it, whatever became of it. */
  begin(dial: PendingDial): () => void {
    let resolve = (): void => {}
    const over = new Promise<void>(done => {
      resolve = done
    })
    const underWay = { dial, over }
    this.#underWay.add(underWay)
    return () => {
      this.#underWay.delete(underWay)
      // By then the pool of its owner has it, and offers it.
      guardedImmediate('the end of a dial', resolve)
    }
  }

  /**
   * Resolves when a dial has ended that makes a connection for the seeker as well, going by the last one to
   * its address. Undefined: there is none.
   */
  find(seeker: CoalescingSeeker): Promise<void> | undefined {
    for (const { dial, over } of this.#underWay) {
      const seen = this.#seen.get(keyOf(dial))
      if (seen !== undefined && judgeCoalescing(seeker, { ...dial, ...seen }).kind === 'allowed') return over
    }
    return undefined
  }
}

/** Until the dial of another origin is over, or takes too long, or nobody needs it any more. */
export async function untilOver(over: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  let giveUp = (): void => {}
  const givenUp = new Promise<void>(resolve => {
    giveUp = resolve
  })
  const timer = clock.setTimer(MAX_WAIT_MS, giveUp)
  signal.addEventListener('abort', giveUp)
  try {
    await Promise.race([over, givenUp])
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', giveUp)
  }
}

function keyOf({ protocol, endpoint }: Pick<PendingDial, 'protocol' | 'endpoint'>): string {
  return `${protocol} ${formatEndpoint(endpoint)}`
}
