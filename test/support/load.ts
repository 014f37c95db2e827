import {
  asTransportError,
  type RequestOptions,
  type Transport,
  type TransportError,
} from '../../src/index.ts'

export interface LoadOptions extends RequestOptions {
  concurrency: number
  /** How many in all; or until the signal fires. */
  requests?: number
  until?: AbortSignal
  /** Statuses that count as success; default: 200. */
  status?: number
}

export interface LoadResult {
  /** Complete exchanges and failed ones. */
  requests: number
  failures: TransportError[]
  /** How many each connection carried. */
  perConnection: Map<number, number>
}

/** Sends the same request again and again, `concurrency` at a time, and reads each answer to its end. */
export async function load(transport: Transport, url: string, options: LoadOptions): Promise<LoadResult> {
  const { concurrency, requests = Infinity, until, status = 200, ...request } = options
  const result: LoadResult = { requests: 0, failures: [], perConnection: new Map() }
  const goesOn = (): boolean => result.requests < requests && until?.aborted !== true
  const lane = async (): Promise<void> => {
    while (goesOn()) {
      result.requests++
      try {
        const response = await transport.request(url, request)
        await response.dump()
        if (response.status !== status) throw new Error(`status ${response.status}`)
        const { connectionId } = response.info
        result.perConnection.set(connectionId, (result.perConnection.get(connectionId) ?? 0) + 1)
      } catch (error) {
        result.failures.push(asTransportError(error))
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return result
}
