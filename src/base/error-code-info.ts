/** What the table of error codes says of each code. */

/**
 * `local`: the caller or this process. `remote`: the peer, or the path to it.
 *
 * @example
 * ```ts
 * const whose: Fault = error.fault
 * if (whose === 'remote') console.log('look at the origin')
 * ```
 */
export type Fault = 'local' | 'remote'

/**
 * Whether the origin may have acted on the request. `no`: surely not, it can be sent again whatever its
 * method. `unknown`: bytes of it were sent and no answer tells. `yes`: an answer had begun.
 *
 * @example
 * ```ts
 * const processed: Processed = error.processed
 * if (processed === 'no') console.log('it can be sent again, whatever its method')
 * ```
 */
export type Processed = 'no' | 'unknown' | 'yes'

/**
 * What is known of an error code, whatever it was raised for.
 *
 * @example
 * ```ts
 * const { status, hint }: ErrorCodeInfo = ERROR_CODES.MM_QUEUE_FULL
 * console.log(status, hint)
 * ```
 */
export interface ErrorCodeInfo {
  readonly fault: Fault
  /** What the service answers when it has not answered yet. */
  readonly status: number
  /** The error type of RFC 9209 section 2.3, for `Proxy-Status`. */
  readonly proxyStatus: string
  /** What to check or tune. */
  readonly hint: string
  /** Trying again may help: what went wrong can pass by itself. An error may know better. */
  readonly retryable: boolean
}

/** It is the caller's fault, or this process'. */
export const local = (status: number, proxyStatus: string, hint: string): ErrorCodeInfo => ({
  fault: 'local',
  status,
  proxyStatus,
  hint,
  retryable: false,
})
/** It is the peer's fault, or that of the path to it. */
export const remote = (status: number, proxyStatus: string, hint: string): ErrorCodeInfo => ({
  fault: 'remote',
  status,
  proxyStatus,
  hint,
  retryable: false,
})
/** It can pass by itself, so that trying again may help. */
export const passing = (info: ErrorCodeInfo): ErrorCodeInfo => ({ ...info, retryable: true })
