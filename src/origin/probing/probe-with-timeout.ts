import { isIP } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { abortError, TransportError } from '../../base/errors.ts'
import type { Finding } from '../../base/events/probe-report.ts'
import { guarded, guardedListener, guardedTick } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { LocalAddress } from '../../connect/native/descriptor-socket.ts'
import { AttemptSocket } from '../../connect/tcp/attempt-socket.ts'
import { attemptError } from '../../connect/tcp/connect-error.ts'

interface LookBounds<T> {
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

interface ConnectTcpOptions {
  readonly clock: Clock
  /** For each connect. */
  readonly timeoutMs: number
  /** What it leaves from. Default: the kernel chooses. */
  readonly local?: LocalAddress | undefined
}

type Connected = Finding<{ readonly ms: number }>

/**
 * How long a TCP connect takes; says nothing on the connection and closes it. It is the shorter one of two,
 * one after the other: what else a process does for the first time at that moment (loading, compiling) made 6
 * ms and more of a first connect that takes 0.1 ms on loopback. Rejects as quicVersions does.
 */
export async function connectTcp(
  endpoint: Endpoint,
  options: ConnectTcpOptions,
  signal: AbortSignal,
): Promise<Connected> {
  checkEndpoint(endpoint)
  const first = await connectTcpOnce(endpoint, options, signal)
  if (!('found' in first)) return first
  const second = await connectTcpOnce(endpoint, options, signal)
  return 'found' in second && second.found.ms < first.found.ms ? second : first
}

/** One TCP connect, as connectTcp() makes two. Rejects as that does. */
export async function connectTcpOnce(
  endpoint: Endpoint,
  { clock, timeoutMs, local }: ConnectTcpOptions,
  signal: AbortSignal,
): Promise<Connected> {
  const at = formatEndpoint(endpoint)
  const bounds = {
    clock,
    timeoutMs,
    onTimeout: () =>
      ({ fault: `${at} did not answer within ${timeoutMs} ms`, code: 'MM_CONNECT_TIMEOUT' }) as const,
  }
  return await probeWithTimeout<Connected>(bounds, signal, answer => {
    let startedAt = clock.now()
    const attempt = new AttemptSocket(
      { endpoint, keepAliveDelayMs: 0, secure: undefined, local },
      {
        onConnected: () => answer({ found: { ms: clock.now() - startedAt } }),
        onSecured: () => {},
        onFailed: cause => {
          const { message, code } = attemptError(cause, 'connect', at, '')
          answer({ fault: message, code })
        },
      },
    )
    attempt.socket.unref()
    // Node calls connect(2) in the next tick, behind whatever else this turn has to do.
    guardedTick('a probe', () => {
      startedAt = clock.now()
    })
    return () => attempt.destroy()
  })
}
