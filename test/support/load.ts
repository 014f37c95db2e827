import { setTimeout as sleep } from 'node:timers/promises'
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
  /** Of all lanes together, begun at even times; one that is late goes on at once. Default: without end. */
  perSecond?: number
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
  const { concurrency, requests = Infinity, until, perSecond, status = 200, ...request } = options
  const result: LoadResult = { requests: 0, failures: [], perConnection: new Map() }
  const goesOn = (): boolean => result.requests < requests && until?.aborted !== true
  const startedAt = performance.now()
  const lane = async (): Promise<void> => {
    while (goesOn()) {
      const dueMs = perSecond === undefined ? 0 : startedAt + (result.requests * 1000) / perSecond
      result.requests++
      if (dueMs > performance.now()) await sleep(dueMs - performance.now())
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
