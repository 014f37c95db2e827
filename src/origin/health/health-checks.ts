import type { BalancedEndpoint } from '../../balance/balancer.ts'
import type { EndpointSetChange } from '../../balance/endpoint-set.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import { guardedPromise } from '../../base/guard.ts'
import type { CheckResult } from '../../health/check-state.ts'
import type { EndpointHealth } from '../../health/endpoint-health.ts'
import type { EndpointUser } from '../endpoints/origin-endpoints.ts'

export interface HealthChecksParts {
  readonly clock: Clock
  /** Those that there are from the start. */
  readonly endpoints: readonly BalancedEndpoint[]
  readonly timeoutMs: number
  readonly health: Pick<EndpointHealth, 'nextCheckInMs' | 'onChecked'>
  /** Checks one endpoint. Rejects when that fails. */
  readonly probe: (endpoint: BalancedEndpoint, signal: AbortSignal) => Promise<CheckResult>
}

/**
 * The active checks of an origin's endpoints, from its first use to its end: one at a time of each
 * endpoint, the next one counted from its end. Its timers keep no process alive.
 */
export class HealthChecks implements EndpointUser {
  readonly #parts: HealthChecksParts
  /** Of each endpoint: what waits for its next check, or ends the one that is under way. */
  readonly #checked = new Map<number, { timer: Timer | undefined; abort: AbortController | undefined }>()
  #isClosed = false

  constructor(parts: HealthChecksParts) {
    this.#parts = parts
    for (const endpoint of parts.endpoints) this.#add(endpoint)
  }

  /** Others are checked from now on. */
  setEndpoints({ added, removed }: EndpointSetChange): void {
    if (this.#isClosed) return
    for (const { index } of removed) this.#remove(index)
    for (const endpoint of added) this.#add(endpoint)
  }

  close(): void {
    this.#isClosed = true
    for (const index of this.#checked.keys()) this.#remove(index)
  }

  #add(endpoint: BalancedEndpoint): void {
    this.#checked.set(endpoint.index, { timer: undefined, abort: undefined })
    this.#arm(endpoint)
  }

  #remove(index: number): void {
    const checked = this.#checked.get(index)
    this.#checked.delete(index)
    checked?.timer?.cancel()
    checked?.abort?.abort(new TransportError('MM_TRANSPORT_CLOSED', 'the endpoint is going away'))
  }

  #arm(endpoint: BalancedEndpoint): void {
    const { clock, health } = this.#parts
    const checked = this.#checked.get(endpoint.index)
    if (checked === undefined) return
    checked.abort = undefined
    checked.timer = clock.setTimer(health.nextCheckInMs(endpoint.index), () =>
      guardedPromise('a health check', this.#check(endpoint)),
    )
  }

  async #check(endpoint: BalancedEndpoint): Promise<void> {
    const { clock, health, probe, timeoutMs } = this.#parts
    const { index } = endpoint
    const checked = this.#checked.get(index)
    if (checked === undefined) return
    const abort = new AbortController()
    checked.abort = abort
    const late = new TransportError('MM_HEADERS_TIMEOUT', `no answer within ${timeoutMs} ms`)
    // A loop that stood still runs its timers before it reads what has come meanwhile: it is judged a turn
    // later.
    let timer = clock.setTimer(timeoutMs, () => {
      timer = clock.setTimer(0, () => abort.abort(late))
    })
    try {
      const result = await probe(endpoint, abort.signal).catch((cause: unknown) =>
        // Whatever the end of a connect or of an exchange that was given up calls it.
        resultOf(abort.signal.aborted ? abort.signal.reason : cause),
      )
      if (this.#checked.has(index) && result !== undefined) health.onChecked(index, result, clock.now())
    } finally {
      timer.cancel()
      this.#arm(endpoint)
    }
  }
}

/** What a failure says of the endpoint; undefined: nothing, since this process failed. */
function resultOf(cause: unknown): CheckResult | undefined {
  const { code, message, fault } = asTransportError(cause, 'MM_INTERNAL', 'no')
  return fault === 'local' ? undefined : { isGood: false, because: `${code}: ${message}` }
}
