/**
 * Whether an endpoint can be connected to.
 * - `up`: nothing speaks against it. Valid transitions: down.
 * - `down`: a connect failed. It gets no requests until `until`, and then one connect beside them. Valid
 *   transitions: probing, up.
 * - `probing`: that connect is under way. Valid transitions: up, down.
 */
export type Reachability =
  | { readonly kind: 'up'; readonly since: number }
  | { readonly kind: 'down'; readonly until: number; readonly failures: number; readonly because: string }
  | { readonly kind: 'probing'; readonly failures: number; readonly because: string }

export interface ReachabilityOptions {
  /** The first pause; it doubles with each failure in a row. */
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  readonly random: () => number
}

/** Keeps the state of one endpoint, and says when it may be tried again. */
export class EndpointReachability {
  readonly #options: ReachabilityOptions
  #state: Reachability

  /** `since`: when it came to the others; -Infinity: it was there from the start. */
  constructor(options: ReachabilityOptions, since: number = -Infinity) {
    this.#options = options
    this.#state = { kind: 'up', since }
  }

  get state(): Reachability {
    return this.#state
  }

  get isUp(): boolean {
    return this.#state.kind === 'up'
  }

  /** A connect failed. Those that began before the first failure make the pause no longer. */
  onConnectFailed(because: string, now: number): void {
    const state = this.#state
    if (state.kind === 'down' && now < state.until) return
    const failures = state.kind === 'up' ? 1 : state.failures + 1
    const { backoffBaseMs, backoffMaxMs, random } = this.#options
    const pauseMs = Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(failures - 1, 30))
    // Half of it by chance, so that processes do not come back together.
    this.#state = { kind: 'down', until: now + pauseMs * (0.5 + random() / 2), failures, because }
  }

  /** Answers whether it is back. */
  onConnected(now: number): boolean {
    if (this.#state.kind === 'up') return false
    this.#state = { kind: 'up', since: now }
    return true
  }

  /** Whether a connect is to be made beside the requests; from now on it is under way. */
  takeProbe(now: number): boolean {
    const state = this.#state
    if (state.kind !== 'down' || now < state.until) return false
    this.#state = { kind: 'probing', failures: state.failures, because: state.because }
    return true
  }

  /** Since when it is up; -Infinity: it always was. Undefined: it is not. */
  get upSince(): number | undefined {
    return this.#state.kind === 'up' ? this.#state.since : undefined
  }
}
