/**
 * What a client process is made to do in one round. The same job serves every subject: what differs between
 * them is the client (BenchClient), never the load.
 */
export interface LoadJob {
  /** What is asked for, in turns by weight (drawn from the seed). At least one. */
  readonly requests: readonly RequestKind[]
  readonly arrival: Arrival
  /** Done first, with the same arrival, and not counted: whichever ends sooner. */
  readonly warmUp: { readonly requests: number; readonly seconds: number }
  /** Requests begin until so many were begun or so many seconds have passed, and are waited for. */
  readonly measure: { readonly requests: number; readonly seconds: number }
  /**
   * `kept`: one client for all rounds; `fresh`: one for this job; `each`: one for each request, so that every
   * connection is cold.
   */
  readonly client: 'kept' | 'fresh' | 'each'
  /** What has not ended by then, from the start, has failed. */
  readonly deadlineSeconds: number
  readonly seed: number
  /**
   * Requests, failures and bytes are counted, and no request is timed: where a client's own CPU is the
   * figure, what the driver keeps of each request would be a tenth of it. Default: everything is kept.
   */
  readonly isCountOnly?: boolean
}

export type Arrival =
  /**
   * Each of `concurrency` requests is followed by the next one when it has ended. Its latencies leave out
   * whoever would have come meanwhile.
   */
  | { readonly kind: 'closed'; readonly concurrency: number }
  /**
   * Requests are due at their times, whatever became of those before, and latency counts from when one was
   * due: no coordinated omission. With `maxInFlight` under way the next ones wait, and that counts too.
   * `catchUpPerSecond`: those that had to wait begin no faster than that, but for a few; undefined: all at
   * once.
   */
  | {
      readonly kind: 'open'
      readonly perSecond: number
      readonly spacing: 'even' | 'poisson'
      readonly maxInFlight: number
      readonly catchUpPerSecond?: number
    }
  /** `requests` at once, and again `pauseMs` after the last of them has ended. */
  | { readonly kind: 'bursts'; readonly requests: number; readonly pauseMs: number }

export interface RequestKind {
  /** Of charts and object times. */
  readonly label: string
  readonly method: string
  /** Origin-form. */
  readonly path: string
  /** Lower-case name, value, … */
  readonly headers?: readonly string[]
  /** So many bytes are sent, none of them repeated; 0 or undefined: no body. */
  readonly uploadBytes?: number
  /** Sent as it is, instead of uploadBytes. */
  readonly body?: Uint8Array
  /** Another length is a failure. */
  readonly expectedBytes?: number
  /** Another status is a failure. Default 200. */
  readonly expectedStatus?: number
  /** The response is read no faster. */
  readonly readBytesPerSecond?: number
  /** How often beside the others. Default 1. */
  readonly weight?: number
  /** Which of the setting's origins, by index; default: in turns. */
  readonly origin?: number
}

/** What is asked for next, and of which origin. */
export type DrawRequest = () => { readonly request: RequestKind; readonly origin: number }

/**
 * Kinds by their weights; origins in turns, but for kinds that name theirs. `random` is asked only where
 * there is something to draw.
 */
export function requestDraw(
  requests: readonly RequestKind[],
  origins: number,
  random: () => number,
): DrawRequest {
  const weights = requests.map(({ weight = 1 }) => weight)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const [first] = requests
  if (first === undefined || !(total > 0)) throw new RangeError('a load needs requests with weights above 0')
  let turn = 0
  const draw = (): RequestKind => {
    if (requests.length === 1) return first
    let left = random() * total
    return requests.find((_, i) => (left -= weights[i] ?? 0) < 0) ?? first
  }
  return () => {
    const request = draw()
    return { request, origin: request.origin ?? turn++ % origins }
  }
}
