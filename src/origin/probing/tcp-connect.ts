import type { Clock } from '../../base/clock.ts'
import type { Finding } from '../../base/events/probe-report.ts'
import { guardedTick } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import { AttemptSocket } from '../../connect/tcp/attempt-socket.ts'
import { attemptError } from '../../connect/tcp/connect-error.ts'
import { checkEndpoint, probeWithTimeout } from './probe-with-timeout.ts'

export interface ConnectTcpOptions {
  readonly clock: Clock
  /** For each connect. */
  readonly timeoutMs: number
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
  const first = await connectOnce(endpoint, options, signal)
  if (!('found' in first)) return first
  const second = await connectOnce(endpoint, options, signal)
  return 'found' in second && second.found.ms < first.found.ms ? second : first
}

async function connectOnce(
  endpoint: Endpoint,
  { clock, timeoutMs }: ConnectTcpOptions,
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
      { endpoint, keepAliveDelayMs: 0, secure: undefined },
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
