import type { BreakerOptions } from '../base/options/admission-options.ts'

/** What of an endpoint is bounded. */
export type EndpointBound = 'requests' | 'retries'

export interface EndpointBreakersParts {
  readonly options: Pick<BreakerOptions, 'maxRequestsPerEndpoint' | 'maxRetriesPerEndpoint'>
  /** No endpoint that could be used has a place: a request is refused. */
  readonly onRefused: (by: EndpointBound, limit: number) => void
}

/** What is shown of the bounds of one endpoint. */
export interface EndpointBreakerFigures {
  /** Requests that were sent again and are under way there. 0 where they are not bounded. */
  readonly retries: number
  /** How often a request went elsewhere, or was refused, since a bound of the endpoint was reached. */
  readonly passedOver: number
}

/**
 * The breakers of each endpoint of an origin, over all lanes. An endpoint that has reached one is passed
 * over; where all are, the request is refused. Pure.
 */
export class EndpointBreakers {
  readonly #parts: EndpointBreakersParts
  /** Of each lane: requests that an endpoint carries or that wait for it. */
  readonly #lanes: ((index: number) => number)[] = []
  readonly #retries = new Map<number, number>()
  readonly #passedOver = new Map<number, number>()

  /** Undefined: nothing is bounded. */
  static of(parts: EndpointBreakersParts): EndpointBreakers | undefined {
    const { maxRequestsPerEndpoint, maxRetriesPerEndpoint } = parts.options
    return maxRequestsPerEndpoint === 0 && maxRetriesPerEndpoint === 0
      ? undefined
      : new EndpointBreakers(parts)
  }

  private constructor(parts: EndpointBreakersParts) {
    this.#parts = parts
  }

  /** An endpoint is gone, and its number comes no more. Requests may still be under way there. */
  remove(index: number): void {
    this.#passedOver.delete(index)
  }

  /** Another lane leads to the endpoints. */
  addLane(underWay: (index: number) => number): void {
    this.#lanes.push(underWay)
  }

  /** `isRetry`: the request is sent again out of the retry budget. */
  isFull(index: number, isRetry: boolean): boolean {
    return this.#bound(index, isRetry) !== undefined
  }

  /** A request goes elsewhere, or nowhere, for being full. */
  passOver(index: number): void {
    this.#passedOver.set(index, (this.#passedOver.get(index) ?? 0) + 1)
  }

  /** All of these are full. What is to be said of it. */
  refuse(indexes: readonly number[], isRetry: boolean): string {
    const { maxRequestsPerEndpoint, maxRetriesPerEndpoint } = this.#parts.options
    const isOfRequests = indexes.some(index => this.#bound(index, isRetry) === 'requests')
    this.#parts.onRefused(
      isOfRequests ? 'requests' : 'retries',
      isOfRequests ? maxRequestsPerEndpoint : maxRetriesPerEndpoint,
    )
    return isOfRequests
      ? `each endpoint in use has ${maxRequestsPerEndpoint} requests under way already (breakers.maxRequestsPerEndpoint)`
      : `each endpoint in use has ${maxRetriesPerEndpoint} requests under way that were sent again (breakers.maxRetriesPerEndpoint)`
  }

  /** One that was sent again out of the budget is under way there. Call the answer once, at its end. */
  beginRetry(index: number): () => void {
    this.#addRetries(index, 1)
    return () => this.#addRetries(index, -1)
  }

  figures(index: number): EndpointBreakerFigures {
    return { retries: this.#retries.get(index) ?? 0, passedOver: this.#passedOver.get(index) ?? 0 }
  }

  #addRetries(index: number, change: 1 | -1): void {
    const retries = (this.#retries.get(index) ?? 0) + change
    if (retries < 0) throw new Error('a retry ended that had not begun')
    if (retries === 0) this.#retries.delete(index)
    else this.#retries.set(index, retries)
  }

  #bound(index: number, isRetry: boolean): EndpointBound | undefined {
    const { maxRequestsPerEndpoint, maxRetriesPerEndpoint } = this.#parts.options
    if (maxRequestsPerEndpoint > 0 && this.#underWay(index) >= maxRequestsPerEndpoint) return 'requests'
    const retries = this.#retries.get(index) ?? 0
    return isRetry && maxRetriesPerEndpoint > 0 && retries >= maxRetriesPerEndpoint ? 'retries' : undefined
  }

  #underWay(index: number): number {
    let sum = 0
    for (const underWay of this.#lanes) sum += underWay(index)
    return sum
  }
}
