import type { Clock, Timer } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import { guardedPromise } from '../../base/guard.ts'
import type { CheckResult } from '../../health/check-state.ts'
import type { EndpointHealth } from '../../health/endpoint-health.ts'

export interface HealthChecksParts {
  readonly clock: Clock
  readonly count: number
  readonly timeoutMs: number
  readonly health: Pick<EndpointHealth, 'nextCheckInMs' | 'onChecked'>
  /** Checks one endpoint. Rejects when that fails. */
  readonly probe: (index: number, signal: AbortSignal) => Promise<CheckResult>
}

/**
 * The active checks of an origin's endpoints, from its first use to its end: one at a time of each
 * endpoint, the next one counted from its end. Its timers keep no process alive.
 */
export class HealthChecks {
  readonly #parts: HealthChecksParts
  readonly #timers: (Timer | undefined)[]
  readonly #underWay = new Set<AbortController>()
  #isClosed = false

  constructor(parts: HealthChecksParts) {
    this.#parts = parts
    this.#timers = Array.from({ length: parts.count }, () => undefined)
    for (let index = 0; index < parts.count; index += 1) this.#arm(index)
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers) timer?.cancel()
    const error = new TransportError('MM_TRANSPORT_CLOSED', 'the pools of the origin are going away')
    for (const check of this.#underWay) check.abort(error)
  }

  #arm(index: number): void {
    const { clock, health } = this.#parts
    this.#timers[index] = clock.setTimer(health.nextCheckInMs(index), () =>
      guardedPromise('a health check', this.#check(index)),
    )
  }

  async #check(index: number): Promise<void> {
    const { clock, health, probe, timeoutMs } = this.#parts
    const abort = new AbortController()
    this.#underWay.add(abort)
    const late = new TransportError('MM_HEADERS_TIMEOUT', `no answer within ${timeoutMs} ms`)
    // A loop that stood still runs its timers before it reads what has come meanwhile: it is judged a turn
    // later.
    let timer = clock.setTimer(timeoutMs, () => {
      timer = clock.setTimer(0, () => abort.abort(late))
    })
    try {
      const result = await probe(index, abort.signal).catch((cause: unknown) =>
        // Whatever the end of a connect or of an exchange that was given up calls it.
        resultOf(abort.signal.aborted ? abort.signal.reason : cause),
      )
      if (!this.#isClosed && result !== undefined) health.onChecked(index, result, clock.now())
    } finally {
      timer.cancel()
      this.#underWay.delete(abort)
      if (!this.#isClosed) this.#arm(index)
    }
  }
}

/** What a failure says of the endpoint; undefined: nothing, since this process failed. */
function resultOf(cause: unknown): CheckResult | undefined {
  const { code, message, fault } = asTransportError(cause, 'MM_INTERNAL', 'no')
  return fault === 'local' ? undefined : { isGood: false, because: `${code}: ${message}` }
}
