import type { Clock } from '../../base/clock.ts'
import { guarded, guardedListener } from '../../base/guard.ts'
import type { DnsQuery, ReadReply } from '../records/dns-message.ts'
import type { DnsServer } from './dns-server.ts'

/** One query to one server. */
export interface DnsTry {
  readonly server: DnsServer
  readonly query: DnsQuery
  readonly clock: Clock
  readonly timeoutMs: number
  /** Not aborted yet. */
  readonly signal: AbortSignal
}

/**
 * What became of it. `silent`: no answer came in time; `unreachable`: the system says that there is nobody,
 * or no way.
 */
export type DnsTryOutcome =
  | Exclude<ReadReply, { kind: 'foreign' }>
  | { readonly kind: 'silent' | 'unreachable' | 'aborted'; readonly because: string }

const ENDING = 'the end of a DNS query'

/**
 * Runs one try to its end: what settles it first, be it an answer, the time or the signal, calls the stop
 * that `start` returned, once. Nothing is left behind then.
 */
export function runTry(
  { clock, timeoutMs, signal }: DnsTry,
  start: (settle: (outcome: DnsTryOutcome) => void) => () => void,
): Promise<DnsTryOutcome> {
  return new Promise(resolve => {
    let isOver = false
    let stop: (() => void) | undefined
    const settle = (outcome: DnsTryOutcome): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      if (stop !== undefined) guarded(ENDING, stop)
      resolve(outcome)
    }
    const giveUp = (): void => settle({ kind: 'aborted', because: 'given up' })
    const onAbort = guardedListener(ENDING, giveUp, settleFault(resolve))
    const timer = clock.setTimer(timeoutMs, () => {
      settle({ kind: 'silent', because: `no answer within ${timeoutMs} ms` })
    })
    signal.addEventListener('abort', onAbort, { once: true })
    // A socket that cannot even be made may say so at once.
    stop = start(settle)
    if (isOver) guarded(ENDING, stop)
  })
}

/** For what must not throw: the answer is as good as none, and another server is asked. */
export function settleFault(settle: (outcome: DnsTryOutcome) => void): (error: Error) => void {
  return error => settle({ kind: 'malformed', because: error.message })
}

/** A socket's error, as an outcome. */
export function unreachable(error: Error): DnsTryOutcome {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message
  return { kind: 'unreachable', because: code === 'ECONNREFUSED' ? 'nobody listens there' : code }
}
