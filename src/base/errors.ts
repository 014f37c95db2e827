import type { Fault, Processed } from './error-code-info.ts'
import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

/** The one error tree. Every failure that leaves the module is a TransportError; its `code` is API. */

export interface TransportErrorOptions {
  /** Default: `no` (most codes arise before anything was sent). */
  processed?: Processed
  cause?: unknown
  /** Where this case is another one than its code: whether trying again may help. */
  retryable?: boolean | undefined
  /** Where this case has advice of its own. */
  hint?: string | undefined
}

/**
 * A failure, with everything that decides what to do about it.
 *
 * @example
 * ```ts
 * try {
 *   await transport.request('https://origin.example/')
 * } catch (error) {
 *   if (error instanceof TransportError) console.log(error.code, error.retryable, error.hint)
 * }
 * ```
 */
export class TransportError extends Error {
  readonly code: ErrorCode
  readonly processed: Processed
  readonly #retryable: boolean | undefined
  readonly #hint: string | undefined

  constructor(code: ErrorCode, message: string, options: TransportErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TransportError'
    this.code = code
    this.processed = options.processed ?? 'no'
    this.#retryable = options.retryable
    this.#hint = options.hint
  }

  get fault(): Fault {
    return ERROR_CODES[this.code].fault
  }

  /**
   * Whether trying again may help, now or later: not where a certificate has expired or a name does not
   * exist. It does not say that it is harmless: see `resendable`.
   */
  get retryable(): boolean {
    return this.#retryable ?? ERROR_CODES[this.code].retryable
  }

  /**
   * Whether the same request may be sent again whatever its method: the origin has surely not acted on it.
   * One with an idempotent method (GET, PUT, DELETE) may be sent again in any case.
   */
  get resendable(): boolean {
    return this.processed === 'no' && this.fault === 'remote'
  }

  /** What to check or tune, in this case. */
  get hint(): string {
    return this.#hint ?? ERROR_CODES[this.code].hint
  }

  /** As `get --json`, logs and error bodies show it. */
  toJSON(): {
    code: ErrorCode
    message: string
    fault: Fault
    processed: Processed
    retryable: boolean
    resendable: boolean
    hint: string
  } {
    const { code, message, fault, processed, retryable, resendable, hint } = this
    return { code, message, fault, processed, retryable, resendable, hint }
  }
}

/**
 * An error without a stack, for what a peer or a limit of ours brings about: it says everything in its
 * message, and a flood of them is to cost little (V8 takes 9 us for a stack, a fifth of a request).
 */
export function stacklessError(code: ErrorCode, message: string): TransportError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new TransportError(code, message)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * The error as a TransportError: itself; for the reason of a signal, with which calls reject after an abort,
 * the MM_ABORTED that stands behind it; else wrapped in `code`.
 *
 * @example
 * ```ts
 * const failed = await transport.request('https://origin.example/').catch(error => asTransportError(error))
 * console.log('code' in failed ? failed.code : failed.status)
 * ```
 */
export function asTransportError(
  error: unknown,
  code: ErrorCode = 'MM_INTERNAL',
  processed: Processed = 'unknown',
): TransportError {
  if (error instanceof TransportError) return error
  const aborted = typeof error === 'object' && error !== null ? abortedBy.get(error) : undefined
  if (aborted !== undefined) return aborted
  const message = error instanceof Error ? error.message : String(error)
  return new TransportError(code, message, { cause: error, processed })
}

/**
 * What an operation rejects with whose signal fired: the signal's reason if it is one of ours, else
 * MM_ABORTED.
 */
export function abortError(signal: AbortSignal, what: string): TransportError {
  if (signal.reason instanceof TransportError) return signal.reason
  return new TransportError('MM_ABORTED', `${what} was given up`, { cause: signal.reason })
}

/** The abort behind each reason that a call rejected with; the last one, where a signal ended several. */
const abortedBy = new WeakMap<object, TransportError>()

/**
 * What a caller's promise rejects with: after an abort the reason of its signal itself, as in Node's own APIs
 * (AbortError, TimeoutError, or what the caller gave). An error without a `code` gets `MM_ABORTED` as one. A
 * DOMException has a `code` of its own, which programs look at, and keeps it: asTransportError() has ours.
 */
export function callersError(error: TransportError): unknown {
  const { code, cause: reason } = error
  if (code !== 'MM_ABORTED' || reason === undefined) return error
  if (typeof reason !== 'object' || reason === null) return reason
  abortedBy.set(reason, error)
  if (reason instanceof Error && !('code' in reason) && Object.isExtensible(reason))
    Object.defineProperty(reason, 'code', { value: code, configurable: true, writable: true })
  return reason
}

/** The same error with another verdict. */
export function withProcessed(error: TransportError, processed: Processed): TransportError {
  if (error.processed === processed) return error
  const { code, message, cause, retryable, hint } = error
  return new TransportError(code, message, { cause, processed, retryable, hint })
}
