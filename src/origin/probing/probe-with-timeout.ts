import { isIP } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { abortError, TransportError } from '../../base/errors.ts'
import { guarded, guardedListener } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'

export interface LookBounds<T> {
  readonly clock: Clock
  readonly timeoutMs: number
  /** The answer when time is up. */
  readonly onTimeout: () => T
}

const DURING = 'the end of a probe'

/**
 * Something that is looked at with a socket: `start` gets the means to answer, and returns those to clean up,
 * which are used once, whatever comes first: an answer, the end of the time, or an abort. Rejects after an
 * abort only, or when `start` or `onTimeout` throws.
 */
export function probeWithTimeout<T>(
  bounds: LookBounds<T>,
  signal: AbortSignal,
  start: (answer: (answer: T) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal, 'the look'))
    let isOver = false
    const end = (): void => {
      isOver = true
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      if (cleanUp !== undefined) guarded(DURING, cleanUp)
    }
    const answer = (answer: T): void => {
      if (isOver) return
      end()
      resolve(answer)
    }
    const onFault = (error: TransportError): void => {
      if (isOver) return
      end()
      reject(error)
    }
    const onAbort = guardedListener(DURING, () => onFault(abortError(signal, 'the look')), reject)
    const timer = bounds.clock.setTimer(
      bounds.timeoutMs,
      guardedListener(DURING, () => answer(bounds.onTimeout()), onFault),
    )
    signal.addEventListener('abort', onAbort, { once: true })
    let cleanUp: (() => void) | undefined
    try {
      cleanUp = start(answer)
    } catch (error) {
      end()
      return reject(error)
    }
    if (isOver) guarded(DURING, cleanUp) // it had its answer before it returned
  })
}

/**
 * Anything but an IP address would make Node ask a resolver of its own choice. Throws MM_INVALID_ARGUMENT.
 */
export function checkEndpoint(endpoint: Endpoint): void {
  if (isIP(endpoint.address) === endpoint.family && endpoint.port >= 1 && endpoint.port <= 65_535) return
  throw new TransportError('MM_INVALID_ARGUMENT', `not an endpoint: ${formatEndpoint(endpoint)}`)
}
