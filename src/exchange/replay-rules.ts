import type { Clock } from '../base/clock.ts'
import { ERROR_CODES } from '../base/error-codes.ts'
import { TransportError } from '../base/errors.ts'
import type { CloseReason, Connection } from '../base/events/connection.ts'
import type { RetryReason } from '../base/events/observer.ts'
import {
  type ExchangeController,
  type ExchangeRequest,
  isIdempotentMethod,
  isRepeatable,
  isReplayableBody,
} from '../base/http/exchange.ts'
import { type HeaderList, hasHeader, headerValue } from '../base/http/headers.ts'
import { fitsExtendedConnect } from '../http/multiplex/messages/outgoing-request.ts'
import type { ExchangeOrigin } from '../origin/exchange-origin.ts'
import type { RequestPool } from '../pool/pool.ts'
import type { DispatchHandle } from './dispatch.ts'

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
  /** The peer had announced the end of the connection (GOAWAY). */
  readonly isConnectionEnding: boolean
  /** The connection was ended since nothing came from the peer any more: see isPathDead. */
  readonly isPathDead: boolean
  /**
   * The connection had moved to another path, and the peer ended it by an error: it lost track of the
   * paths.
   */
  readonly isLostInMove: boolean
  /** The caller has seen something of a response (1xx included), or gave up. */
  readonly isCallerCommitted: boolean
  /** Replays that were made of this request already. */
  readonly retries: number
  readonly maxRetries: number
  /** Replays where connections ended without an answer. */
  readonly maxUnanswered: number
  /** It had left in early data (0-RTT). */
  readonly wasEarly: boolean
  /** It went over HTTP/3, and the origin can be reached over TCP as well. */
  readonly hasOtherLane: boolean
}

/**
 * `free`: no budget needed. `budgeted`: only if the budget has one left. `wantsFresh`: of the connections
 * that are there others may be as dead as the one that failed, so that it takes a new one; else any that
 * takes requests will do.
 */
type ReplayVerdict =
  | { replay: false }
  | { replay: true; reason: RetryReason; cost: 'free' | 'budgeted'; wantsFresh: boolean }

const NO: ReplayVerdict = { replay: false }

/**
 * An origin that reloads ends all its connections, one after the other: a request may meet several of them.
 */
const MAX_ENDINGS = 16

/** The failed try of an exchange, as the rules look at it. */
export function failedTry(
  error: TransportError,
  { connection, reused, retries, wasEarly }: DispatchHandle,
  { method, body, retry }: ExchangeRequest,
  origin: ExchangeOrigin,
  where: Pick<FailedTry, 'beforeLease' | 'isCallerCommitted' | 'hasOtherLane'>,
): FailedTry {
  const { maxRetries, maxUnanswered } = retry ?? origin.settings.retry
  return {
    error,
    method,
    isBodyReplayable: isReplayableBody(body),
    reused,
    isConnectionEnding: connection?.requestsTaken !== undefined,
    isPathDead: isPathDead(connection?.endedBy),
    isLostInMove: connection?.endedBy === 'protocol-error' && origin.hasMoved(connection),
    retries,
    maxRetries,
    maxUnanswered,
    wasEarly,
    ...where,
  }
}

/**
 * Whether a failed request is sent again (design invariant 1). In this order:
 *
 * 1. Nothing is sent again once the caller saw a response byte or gave up, or when the body cannot be
 *    repeated.
 * 2. Nothing is sent again for a fault of our own side, nor what the origin takes over HTTP/1.1 only.
 * 3. No connection could be made: the origin saw nothing. Refused and unreachable are worth another try,
 *    and one that ended as it opened is worth as many as in 6; names that do not resolve, certificates that
 *    do not fit and time-outs are not: they would only double the wait.
 * 4. Known unprocessed (never written, REFUSED_STREAM, above GOAWAY's last id): once whatever the options
 *    say, since it costs the origin nothing; after that under the budget. A peer that refuses is alive: any
 *    connection whose end it has not announced will do. One that was found closed before anything was
 *    written says nothing good of the others. What a GOAWAY left over needs no budget the other times
 *    either, and may meet more of them: an origin that ends its connections is not an overloaded one. A
 *    caller's own time that ran out while the request was held back is not worth another try either, as in
 *    3.
 * 5. It left in early data, and the connection broke before anything came back: in its handshake, or by a
 *    server whose limits have shrunk since the ticket (RFC 9000 7.4.1 forbids it, but a server with a new
 *    configuration does it). Early requests are safe by their methods. Once, and not early again; free,
 *    since it can happen once per ticket only. Any connection will do: what made this one break goes with
 *    its ticket, and the tickets like it are gone (EarlyDataWatch).
 * 6. The connection ended without an answer, and there is no other lane to the origin. Idempotent methods
 *    only, and `maxUnanswered` times at the most. A reused one was most likely closed while we wrote (RFC
 *    9112 9.3.1): others may be as dead, so that it takes a new one. The first time is free: it can happen
 *    at most once per pooled connection, so it cannot grow into a storm. So are requests treated whose
 *    connection was ended since its path was dead, or its peer silent, whether or not it had carried one
 *    before; and those of a connection that had moved, and was then ended by an error of the peer's (ngtcp2
 *    0.12 does it after loss, a rebinding and a move). A new one that ends (what HAProxy calls an empty
 *    response) may be all that this origin does, so that each replay takes from the budget. Any connection
 *    will do, and one that has answered before is best.
 * 7. HTTP/3 broke under it, and there is TCP: idempotent methods go there. Free, since HTTP/3 is left alone
 *    after that (h3-status.ts); one that was replayed before takes from the budget, up to `maxUnanswered`
 *    times.
 * 8. No answer began within `retry.perTryTimeoutMs`, which is set for idempotent methods only: up to
 *    `maxRetries` times, each out of the budget.
 * 9. Everything else stays failed.
 *
 * A 425 (Too Early), a 421 (Misdirected Request) and the statuses of `retry.statuses` are no failures, and
 * have rules of their own: dismissalOf.
 */
export function judgeReplay(failed: FailedTry): ReplayVerdict {
  const { error, retries, maxRetries } = failed
  const maxUnanswered = maxRetries === 0 ? 0 : Math.max(maxRetries, failed.maxUnanswered)
  if (failed.isCallerCommitted || !failed.isBodyReplayable) return NO // 1
  if (error.fault === 'local' || needsHttp1(error)) return NO // 2
  if (failed.beforeLease) {
    const hasOpened = isClose(error)
    const worthIt = hasOpened || error.code === 'MM_CONNECT_REFUSED' || error.code === 'MM_CONNECT_FAILED'
    if (!worthIt || retries >= (hasOpened ? maxUnanswered : maxRetries)) return NO
    return { replay: true, reason: 'connect-failed', cost: 'budgeted', wantsFresh: false } // 3
  }
  if (error.processed === 'no') {
    if (error.code === 'MM_HEADERS_TIMEOUT') return NO
    const wantsFresh = (failed.reused || failed.isPathDead) && error.code !== 'MM_REFUSED'
    // One that ends before it has carried anything is no sign of a reload.
    const isReload = failed.isConnectionEnding && failed.reused
    const most = isReload ? Math.max(maxRetries, MAX_ENDINGS) : maxRetries
    if (retries > 0 && retries >= most) return NO
    const cost = retries === 0 || failed.isConnectionEnding ? 'free' : 'budgeted'
    return { replay: true, reason: 'unprocessed', cost, wantsFresh } // 4
  }
  if (failed.wasEarly && error.processed !== 'yes' && isLostConnection(error)) {
    return { replay: true, reason: 'early-data-lost', cost: 'free', wantsFresh: false } // 5
  }
  if (!isIdempotentMethod(failed.method)) return NO // 6, 7
  const isStale = failed.reused || failed.isPathDead || failed.isLostInMove
  const isUnanswered = isClose(error) || (failed.isLostInMove && isLostConnection(error))
  if (isUnanswered && error.processed === 'unknown' && !failed.hasOtherLane) {
    if (retries >= maxUnanswered) return NO
    const cost = isStale && retries === 0 ? 'free' : 'budgeted'
    const reason = isStale ? 'stale-connection' : 'unanswered'
    return { replay: true, reason, cost, wantsFresh: isStale } // 6
  }
  if (failed.hasOtherLane && isLostConnection(error) && (retries === 0 || retries < maxUnanswered)) {
    const cost = retries === 0 ? 'free' : 'budgeted'
    return { replay: true, reason: 'http3-failed', cost, wantsFresh: false } // 7
  }
  if (error.code === 'MM_TRY_TIMEOUT' && retries < maxRetries) {
    return { replay: true, reason: 'try-timeout', cost: 'budgeted', wantsFresh: false } // 8
  }
  return NO // 9
}

/**
 * Whether an answer only asks to send the request again after the handshake (RFC 8470 5.2): a 425 to a
 * request that left in early data. The caller does not see it. Not so when the request came to us with
 * `early-data: 1`: who sent it early must be notified and decide. It is free: it happens at most once per
 * request, whose second copy does not leave early.
 */
export function isTooEarly(status: number, wasEarly: boolean, headers: HeaderList): boolean {
  return status === 425 && wasEarly && !hasHeader(headers, 'early-data')
}

/**
 * Whether an answer only asks to send the request again over a connection of the origin's own (RFC 9110
 * 15.5.20, RFC 9113 9.1.2): a 421 to a request that went over another origin's. Whatever the method: it was
 * not processed. It is free, since the origin uses no such connection for a while after it. A 421 over a
 * connection of its own is an answer like any other.
 */
function isMisdirected(status: number, { sharedBy }: Pick<Connection, 'sharedBy'>): boolean {
  return status === 421 && sharedBy !== undefined
}

/**
 * What an answer that only asks to send again has said: 425 to early data, 421 to a shared connection, or
 * one that `retry.statuses` lists.
 */
export type Dismissal = Extract<RetryReason, 'too-early' | 'misdirected' | 'status'>

const DISMISSALS: Readonly<Record<Dismissal, string>> = {
  status: 'the origin answered with one of retry.statuses',
  'too-early': 'the origin answered 425 (Too Early) to early data',
  misdirected: 'the origin answered 421 (Misdirected Request) over a connection of another origin',
}

/**
 * Why the answer is not for the caller; undefined: it is. What a 421 says is learned even if it is. Of a
 * status that is retried the budget has the last word.
 */
export function dismissalOf(
  status: number,
  { connection, retries, wasEarly }: Pick<DispatchHandle, 'connection' | 'retries' | 'wasEarly'>,
  request: ExchangeRequest,
  origin: Pick<ExchangeOrigin, 'onMisdirected' | 'settings'>,
): { readonly reason: Dismissal; readonly error: TransportError } | undefined {
  const { headers, body, retry } = request
  const { statuses, maxRetries } = retry ?? origin.settings.retry
  let reason: Dismissal | undefined
  if (isTooEarly(status, wasEarly, headers)) reason = 'too-early'
  else if (connection !== undefined && isMisdirected(status, connection)) {
    origin.onMisdirected(connection)
    if (isReplayableBody(body)) reason = 'misdirected'
  } else if (retries < maxRetries && statuses.includes(status) && isRetried(request)) reason = 'status'
  if (reason === undefined) return undefined
  const message = reason === 'status' ? `${DISMISSALS.status}: ${status}` : DISMISSALS[reason]
  return { reason, error: new TransportError('MM_REFUSED', message) }
}

/** Whether an answer, or none in time, may be a reason to send it again (RFC 9110 9.2.2). */
export function isRetried(request: ExchangeRequest): boolean {
  return request.upgrade === undefined && isRepeatable(request)
}

/** The body of an answer that is thrown away is read if it is not longer: that spares a connection. */
const MAX_DRAINED_BYTES = 16_384
/** And if it has come within this. */
export const MAX_DRAIN_MS = 100

/**
 * Whether the rest of an answer that is thrown away is read. Over HTTP/2 and HTTP/3 the end of its stream
 * costs nothing; over HTTP/1.1 it would cost the connection.
 */
export function isDrained(controller: ExchangeController, method: string, headers: HeaderList): boolean {
  if (controller.protocol !== 'http/1.1') return false
  const length = headerValue(headers, 'content-length')
  return method === 'HEAD' || (length !== undefined && Number(length) <= MAX_DRAINED_BYTES)
}

/** Nothing of the request was processed, and HTTP/1.1 would do: see UpgradeRoute. */
function needsHttp1(error: TransportError): boolean {
  return error.code === 'MM_UPGRADE_UNAVAILABLE' || error.code === 'MM_HTTP11_REQUIRED'
}

/** The ends of connections whose peer did not say anything any more. */
export function isPathDead(endedBy: CloseReason | undefined): boolean {
  return endedBy === 'path-failed' || endedBy === 'ping-failed' || endedBy === 'unresponsive'
}

/** The words for a connection that ended under an exchange, whoever did it and however. */
function isLostConnection(error: TransportError): boolean {
  return isClose(error) || error.code === 'MM_PROTOCOL_ERROR' || error.code.startsWith('MM_TLS_')
}

/** An exchange that did not end in time. `status` 0: it has no answer. */
export function requestTimeout(requestMs: number, isOut: boolean, status: number): TransportError {
  const processed = !isOut ? 'no' : status === 0 ? 'unknown' : 'yes'
  const message = `the exchange did not end within ${requestMs} ms`
  return new TransportError('MM_REQUEST_TIMEOUT', message, { processed })
}

/** What says nothing of the endpoint that the try was at. */
const NO_ENDPOINTS_FAULT: ReadonlySet<RetryReason> = new Set<RetryReason>([
  'stale-connection',
  'too-early',
  'early-data-lost',
  'misdirected',
  'http3-failed',
  'unresponsive',
])

/** Whether a request that is sent again goes to another endpoint, where there is one. */
export function leavesEndpoint(reason: RetryReason): boolean {
  return !NO_ENDPOINTS_FAULT.has(reason)
}

/** A try whose answer did not begin in time. */
export function tryTimeout(perTryTimeoutMs: number): TransportError {
  const message = `no response began within retry.perTryTimeoutMs = ${perTryTimeoutMs}`
  return new TransportError('MM_TRY_TIMEOUT', message, { processed: 'unknown' })
}

function isClose(error: TransportError): boolean {
  return error.code === 'MM_CONNECTION_CLOSED' || error.code === 'MM_CONNECTION_RESET'
}

/**
 * This side failed, or whoever the request comes from: a service's client is remote as well, and what it
 * does wrong is answered with 4xx.
 */
export function isOfCaller({ fault, code }: TransportError): boolean {
  return fault === 'local' || ERROR_CODES[code].status < 500
}

/** The peer or the way to it failed. */
export function speaksAgainstLane(error: TransportError): boolean {
  return !isOfCaller(error) && error.code !== 'MM_REFUSED'
}

/** Where a request goes that its connection cannot carry, and as what. Nothing was processed: no replay. */
export interface Detour {
  readonly pool: RequestPool
  readonly request: ExchangeRequest
}

/** The try that could not carry it. */
interface RefusedTry {
  readonly error: TransportError
  readonly request: ExchangeRequest
  readonly pool: RequestPool
  readonly connection: Connection | undefined
}

/**
 * What the connection cannot carry, or its peer will not take over it, goes over HTTP/1.1, or without its
 * upgrade; see UpgradeRoute. Undefined: it is no such error, or there is no detour. The origin
 * remembers when its peer offers no extended CONNECT.
 */
export function detourAfter(
  { error, request, pool, connection }: RefusedTry,
  origin: ExchangeOrigin,
  clock: Clock,
): Detour | undefined {
  if (!needsHttp1(error) || request.onlyLane === 'h3') return undefined
  const isUpgrade = error.code === 'MM_UPGRADE_UNAVAILABLE'
  // Before the peer's SETTINGS nobody knows what it offers.
  const hasSettings = connection !== undefined && connection.isCapacityProvisional !== true
  if (isUpgrade && hasSettings && fitsExtendedConnect(request)) origin.onExtendedConnectMissing(clock.now())
  const next = origin.upgrades.next(pool)
  if (next === undefined) return withoutUpgrade(error, request, origin)
  return isReplayableBody(request.body) ? { pool: next, request } : undefined
}

/** Nobody can be asked for the other protocol, and the request does without, if its upgrade is optional. */
export function withoutUpgrade(
  error: TransportError,
  request: ExchangeRequest,
  origin: ExchangeOrigin,
): Detour | undefined {
  if (error.code !== 'MM_UPGRADE_UNAVAILABLE' || request.isUpgradeOptional !== true) return undefined
  if (request.upgrade === undefined || !isReplayableBody(request.body)) return undefined
  return { pool: origin.lanes.primary.pool, request: { ...request, upgrade: undefined } }
}
