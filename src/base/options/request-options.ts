import { TransportError } from '../errors.ts'
import type { Protocol } from '../http/protocol.ts'
import { checkNumber } from './check-options.ts'
import { isRetryableStatus } from './options.ts'

/**
 * What of `retry` one request may have otherwise; the budget is of all.
 *
 * @example
 * ```ts
 * await transport.request('https://origin.example/', { retry: { maxRetries: 0 } })
 * ```
 */
export interface RequestRetry {
  maxRetries?: number | undefined
  maxUnanswered?: number | undefined
  statuses?: readonly number[] | undefined
  perTryTimeoutMs?: number | undefined
}

/** Which of the lanes of an origin a request may take; undefined: all of them. */
export type OnlyLane = 'tcp' | 'http/1.1' | 'h3' | undefined

/** Throws MM_INVALID_ARGUMENT for what nobody can mean. */
export function checkRequestRetry(retry: RequestRetry): void {
  const { statuses = [], ...numbers } = retry
  for (const [name, value] of Object.entries(numbers))
    if (value !== undefined) checkNumber(`retry.${name}`, value)
  if (Array.isArray(statuses) && statuses.every(isRetryableStatus)) return
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    'retry.statuses must be a list of 429 and 500 to 599, such as [502, 503]',
  )
}

/**
 * What the protocols that a request may take leave of those of its origin. A string: why that cannot be held
 * to. Over TCP the peer chooses among what is offered (ALPN), so that a request takes all of these or
 * HTTP/1.1.
 *
 * @example
 * ```ts
 * onlyLaneOf(['h2', 'http/1.1'], ['h3', 'h2', 'http/1.1']) // { lane: 'tcp' }
 * ```
 */
export function onlyLaneOf(
  wanted: readonly Protocol[],
  allowed: readonly Protocol[],
): { readonly lane: OnlyLane } | string {
  const left = allowed.filter(protocol => wanted.includes(protocol))
  if (left.length === 0) return `the origin may be spoken to in ${allowed.join(', ')} only`
  if (left.length === allowed.length) return { lane: undefined }
  const overTcp = left.filter(protocol => protocol !== 'h3')
  const isWholeTcp = overTcp.length === allowed.filter(protocol => protocol !== 'h3').length
  if (left.includes('h3')) {
    if (overTcp.length === 0) return { lane: 'h3' }
    return 'beside h3 a request takes all protocols over TCP that the origin has, or none'
  }
  if (isWholeTcp) return { lane: 'tcp' }
  if (overTcp[0] === 'http/1.1') return { lane: 'http/1.1' }
  return 'h2 alone cannot be held to where the origin has http/1.1 too: it chooses between them (ALPN)'
}
