import type { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { EarlierTry, RetryReason } from '../base/events/observer.ts'
import type { LaneName } from '../base/http/lane.ts'

/** More tries than that are counted (`retries`), not kept. */
const MAX_EARLIER_TRIES = 16

/**
 * The tries of one exchange that failed and were followed by another. Made with the first of them: most
 * exchanges have one try.
 */
export class EarlierTries {
  readonly list: EarlierTry[] = []
  readonly #startedAt: number

  /** `startedAt`: when the exchange was dispatched, on the clock of the times below. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt
  }

  /** `leased`: the connection that it failed on; undefined: it got none. */
  add(
    reason: RetryReason,
    error: TransportError,
    lane: LaneName,
    leased: { readonly connection: Connection; readonly at: number; readonly reused: boolean } | undefined,
    now: number,
  ): void {
    if (this.list.length === MAX_EARLIER_TRIES) return
    this.list.push({
      leasedAtMs: leased && leased.at - this.#startedAt,
      failedAtMs: now - this.#startedAt,
      lane,
      protocol: leased?.connection.protocol,
      connectionId: leased?.connection.id ?? 0,
      reused: leased?.reused ?? false,
      code: error.code,
      reason,
    })
  }
}
