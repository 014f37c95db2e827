import type { TransportError } from '../errors.ts'
import { isIdempotentMethod } from '../exchange.ts'
import type { RetryReason } from '../observer.ts'

/** What the rules look at when an exchange failed. */
export interface FailedTry {
  readonly error: TransportError
  readonly method: string
  /** The whole body can be sent again. */
  readonly isBodyReplayable: boolean
  /** The failure came before a connection was leased. */
  readonly beforeLease: boolean
  /** The connection had carried an exchange before this one. */
  readonly reused: boolean
  /** The peer had told the connection to end (GOAWAY). */
  readonly isConnectionEnding: boolean
  /** The caller has seen something of a response (1xx included), or gave up. */
  readonly isCallerCommitted: boolean
  /** Replays that were made of this request already. */
  readonly retries: number
  readonly maxRetries: number
}

/**
 * `free`: no budget needed. `budgeted`: only if the budget has one left. `wantsFresh`: of the connections that are there others may be as
 * dead as the one that failed, so that it takes a new one; else any that takes requests will do.
 */
export type ReplayVerdict =
  | { replay: false }
  | { replay: true; reason: RetryReason; cost: 'free' | 'budgeted'; wantsFresh: boolean }

const NO: ReplayVerdict = { replay: false }

/**
 * Whether a failed request is sent again (design invariant 1). In this order:
 *
 * 1. Nothing is sent again once the caller saw a response byte or gave up, or when the body cannot be repeated.
 * 2. Nothing is sent again for a fault of our own side, nor what the origin takes over HTTP/1.1 only.
 * 3. No connection could be made: the origin saw nothing. Refused and unreachable are worth another try; names that do not
 *    resolve, certificates that do not fit and time-outs are not: they would only double the wait.
 * 4. Known unprocessed (never written, REFUSED_STREAM, above GOAWAY's last id): once whatever the options say, since it
 *    costs the origin nothing; after that under the budget. A peer that refuses is alive: any connection that it has not told to go
 *    will do. One that was found closed before anything was written says nothing good of the others. What a GOAWAY left over needs no
 *    budget the other times either: an origin that ends its connections is not an overloaded one.
 * 5. A reused connection died without a byte of an answer: most likely the origin closed it while we wrote (RFC 9112 9.3.1). Idempotent
 *    methods only. The first time is free: it can happen at most once per pooled connection, so it cannot grow into a storm.
 * 6. Everything else stays failed.
 */
export function judgeReplay(failed: FailedTry): ReplayVerdict {
  const { error, retries, maxRetries } = failed
  if (failed.isCallerCommitted || !failed.isBodyReplayable) return NO // 1
  if (error.fault === 'local' || needsHttp1(error)) return NO // 2
  if (failed.beforeLease) {
    const worthIt = error.code === 'MM_CONNECT_REFUSED' || error.code === 'MM_CONNECT_FAILED'
    if (!worthIt || retries >= maxRetries) return NO
    return { replay: true, reason: 'connect-failed', cost: 'budgeted', wantsFresh: false } // 3
  }
  if (error.processed === 'no') {
    const wantsFresh = failed.reused && error.code !== 'MM_REFUSED'
    if (retries > 0 && retries >= maxRetries) return NO
    const cost = retries === 0 || failed.isConnectionEnding ? 'free' : 'budgeted'
    return { replay: true, reason: 'unprocessed', cost, wantsFresh } // 4
  }
  if (error.processed === 'unknown' && failed.reused && isClose(error) && isIdempotentMethod(failed.method)) {
    if (retries >= maxRetries) return NO
    const cost = retries === 0 ? 'free' : 'budgeted'
    return { replay: true, reason: 'stale-connection', cost, wantsFresh: true } // 5
  }
  return NO // 6
}

/** Nothing of the request was processed, and HTTP/1.1 would do: see UpgradeRoute. */
export function needsHttp1(error: TransportError): boolean {
  return error.code === 'MM_UPGRADE_UNAVAILABLE' || error.code === 'MM_HTTP11_REQUIRED'
}

function isClose(error: TransportError): boolean {
  return error.code === 'MM_CONNECTION_CLOSED' || error.code === 'MM_CONNECTION_RESET'
}
