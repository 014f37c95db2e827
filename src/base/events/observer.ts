import type { ErrorCode } from '../error-codes.ts'
import type { TransportError } from '../errors.ts'
import type { Origin } from '../http/origin.ts'
import type { LaneName, Protocol } from '../http/protocol.ts'
import type { SocketOptions } from '../options/socket-options.ts'
import type { AttemptRecord, CloseReason, Connection, PathStats } from './connection.ts'
import type { Decision } from './decision.ts'
import type { MigrationReport } from './migration-report.ts'
import type { ObjectiveStatus } from './objective.ts'

/**
 * Everything that a metric, a log line or a trace needs. Adapters live elsewhere (service/). A connection's
 * life is connect-started, then connection-opened or connect-failed; after connection-opened exactly one
 * connection-closed. Another origin's connection that carries this one's requests is joined and left.
 *
 * @example
 * ```ts
 * const observer: Observer = (event: TransportEvent) => {
 *   if (event.type === 'connection-opened') console.log(event.origin.key, event.connection.handshake.kind)
 * }
 * ```
 */
export type TransportEvent =
  | { type: 'connect-started'; origin: Origin }
  | { type: 'connection-opened'; origin: Origin; connection: Connection }
  | {
      type: 'connect-failed'
      origin: Origin
      error: TransportError
      durationMs: number
      retryAfterMs: number
    }
  | { type: 'connection-draining'; origin: Origin; connection: Connection; reason: CloseReason }
  /** Another origin's connection carries the requests: `connection.sharedBy` says whose, and why. */
  | { type: 'connection-joined'; origin: Origin; connection: Connection }
  | CoalescingRefused
  | PreconnectHinted
  | ConnectionClosed
  /**
   * A peer did too much of something on a connection to the origin, and the limit of that name took effect.
   */
  | { type: 'defence'; origin: Origin; limit: string }
  | { type: 'exchange-retried'; origin: Origin; reason: RetryReason; error: TransportError }
  /**
   * What became of early data (0-RTT) on a connection that was opened with it. `connection.handshake` has
   * its final words now.
   */
  | { type: 'early-data'; origin: Origin; connection: Connection; outcome: EarlyDataOutcome }
  /** What became of TCP Fast Open in a connect that was to use it. `endpoint`: `address:port`. */
  | { type: 'fast-open'; origin: Origin; endpoint: string; outcome: 'used' | 'fallback'; because: string }
  | ConnectionMigrated
  | PathSampled
  | SocketOptionRefused
  | ExchangeEnded
  | ObjectiveChanged
  | RequestsRefused
  | EndpointHealthChanged
  | EndpointPanic
  | EndpointsChanged
  | SelectionEvent
  | StateFault

/**
 * `unused`: the handshake began with an offer of early data, and none was sent: the request had gone, or
 * was too large for the ticket.
 */
export type EarlyDataOutcome = 'accepted' | 'rejected' | 'unused'

/** How a protocol was found out and chosen. */
export type SelectionEvent =
  /** Another lane carries the origin's requests from now on, or the same for another reason. */
  | { type: 'decision'; origin: Origin; decision: Decision }
  /** A request needed a connection, and more than one lane was asked. `winner` undefined: none gave one. */
  | { type: 'race-ended'; origin: Origin; race: readonly RaceEvent[]; winner: LaneName | undefined }
  /**
   * The dial of a connection ended. Attempts are in order of their start, which counts from `atMs`, on the
   * transport's clock.
   */
  | { type: 'dial-ended'; origin: Origin; lane: LaneName; attempts: readonly AttemptRecord[]; atMs: number }
  /** HTTP/3 to one alternative of the origin is thought of differently. `alternative`: `host:port`. */
  | { type: 'http3-status'; origin: Origin; alternative: string; status: Http3StatusName; because: string }
  /** Something was learned of what the origin can do: an advertisement, a DNS record, a probe. */
  | { type: 'evidence'; origin: Origin; source: string; fact: string }

/**
 * pending: not tried; confirmed: worked last; failedRecently: failed, and may be tried again; broken: left
 * alone for some time.
 */
export type Http3StatusName = 'pending' | 'confirmed' | 'failedRecently' | 'broken'

/** What happened in a race between lanes, in order. */
export interface RaceEvent {
  /** Since the race began. */
  readonly atMs: number
  readonly lane: LaneName
  /**
   * `started`: a connection was asked for; `won`: it gave one first; `failed`: it gave none; `overtaken`:
   * another one won while it was asked; what it still makes is kept for later requests, or stopped when
   * nobody needs it.
   */
  readonly event: 'started' | 'won' | 'failed' | 'overtaken'
  readonly because: string
}

/** The objective of an origin is missed from now on, or is not missed any more. */
export interface ObjectiveChanged {
  type: 'objective'
  origin: Origin
  status: ObjectiveStatus
}

/** The bound that refused: `breakers.maxRequests`, `breakers.maxRetries`, `concurrency`. */
export type RefusedBy = 'requests' | 'retries' | 'endpoint-requests' | 'endpoint-retries' | 'concurrency'

/** A bound of an origin turned a request or a replay away, for the first time in 10 s. */
export interface RequestsRefused {
  type: 'requests-refused'
  origin: Origin
  by: RefusedBy
  /** As it stood then. */
  limit: number
}

/** An endpoint of an origin takes requests again, or takes none for now. */
export interface EndpointHealthChanged {
  type: 'endpoint-health'
  origin: Origin
  /** As the configuration names it. */
  endpoint: string
  /** `unhealthy`: by its checks; `ejected`: by what became of its requests. */
  standing: 'healthy' | 'unhealthy' | 'ejected'
  because: string
}

/** The endpoints that requests of an origin are balanced over are others from now on. */
export interface EndpointsChanged {
  type: 'endpoints-changed'
  origin: Origin
  /** Their addresses. Both lists are empty where only weights, tiers or zones have changed. */
  added: readonly string[]
  /** Requests that are under way there end there. */
  removed: readonly string[]
  because: string
}

/**
 * So few endpoints are healthy that requests go to all of them from now on, or not any more
 * (`balance.panicShare`).
 */
export interface EndpointPanic {
  type: 'endpoint-panic'
  origin: Origin
  /** `upgrades`: connections over HTTP/1.1 beside the lanes. */
  lane: LaneName | 'upgrades'
  isOn: boolean
  because: string
}

/** A connection has ended: the last event of each that was opened. */
export interface ConnectionClosed {
  /** `connection-left`: it was another origin's, which may go on. */
  type: 'connection-closed' | 'connection-left'
  origin: Origin
  connection: Connection
  reason: CloseReason
  error: TransportError | undefined
  ageMs: number
  /** Exchanges that were opened on it. */
  requests: number
}

/**
 * Why an open connection of another origin, which was looked at before a connect, does not carry this one's
 * requests; a metric label. `address`: it is to another address; `never`: one of both says `coalesce:
 * never`; `trust`: other TLS options, or other settings of connections; `certificate`: its certificate does
 * not cover the name; `origin-set`: an ORIGIN frame of it does not name the origin; `avoided`: the origin
 * answered 421 to a shared connection before; `busy`: it takes no more streams. `misdirected` is no refusal
 * of ours: the origin has answered 421 just now.
 */
export type CoalescingRefusal =
  | 'address'
  | 'never'
  | 'trust'
  | 'certificate'
  | 'origin-set'
  | 'avoided'
  | 'busy'
  | 'misdirected'

/** A connection of another origin might have carried this one's requests, and does not. */
export interface CoalescingRefused {
  type: 'coalescing-refused'
  origin: Origin
  reason: CoalescingRefusal
  /** The key of the origin whose connection it is. */
  owner: string
  because: string
}

/** Where a hint stood: in a 103 (RFC 8297), or in the head of a final response. */
export type HintSource = 'early-hints' | 'response'

/** Another origin's response named this one in `Link: rel=preconnect`: a connection opens ahead. */
export interface PreconnectHinted {
  type: 'preconnect-hinted'
  origin: Origin
  /** The key of the origin whose response it was. */
  by: string
  source: HintSource
}

/** An HTTP/3 connection has moved to another local address or port, or was to and did not. */
export interface ConnectionMigrated {
  type: 'migration'
  origin: Origin
  connection: Connection
  report: MigrationReport
}

/**
 * What a connection has measured of its way: read with every 16th exchange of a lane, from the connection
 * that sent most since.
 */
export interface PathSampled {
  type: 'path-sampled'
  origin: Origin
  lane: LaneName
  connection: Connection
  /** Since the connection was made. */
  stats: PathStats
  /**
   * Of the packets since the last reading, over the connections of the lane that were read. Undefined: none
   * was sent.
   */
  lossRatio: number | undefined
}

/**
 * An option of TCP sockets towards the origin does not take effect, for a reason that was not met before;
 * connections do without.
 */
export interface SocketOptionRefused {
  type: 'socket-option-refused'
  origin: Origin
  option: keyof SocketOptions
  because: string
}

/**
 * What is kept on disk could not be read or written; the transport goes on without it. It belongs to no
 * origin.
 */
export interface StateFault {
  type: 'state-fault'
  origin?: undefined
  message: string
}

/**
 * Why a request was sent again; a metric label. `too-early`: the origin answered 425 to early data;
 * `early-data-lost`: the connection broke with requests on it that had left in early data; `http3-failed`:
 * HTTP/3 gave no answer, so that it went over TCP; `unanswered`: a new connection ended before a byte of an
 * answer; `unresponsive`: an HTTP/3 connection was silent, and another one gave the answer; `misdirected`:
 * the origin answered 421 to a request over another origin's connection; `status`: the answer had one of
 * `retry.statuses`; `try-timeout`: no answer came within `retry.perTryTimeoutMs`; `hedged`: a second copy
 * was sent since it was slow (`hedge`), and answered first.
 */
export type RetryReason =
  | 'stale-connection'
  | 'unanswered'
  | 'unresponsive'
  | 'unprocessed'
  | 'connect-failed'
  | 'too-early'
  | 'early-data-lost'
  | 'http3-failed'
  | 'misdirected'
  | 'status'
  | 'try-timeout'
  | 'hedged'

/** A try of an exchange that failed, and was followed by another. Times count from the dispatch. */
export interface EarlierTry {
  /** When it got its connection. Undefined: it got none. */
  readonly leasedAtMs: number | undefined
  readonly failedAtMs: number
  readonly lane: LaneName
  /** Undefined: it got none. */
  readonly protocol: Protocol | undefined
  readonly connectionId: number
  /** The connection had carried an exchange before. */
  readonly reused: boolean
  readonly code: ErrorCode
  /** Why it was sent again. */
  readonly reason: RetryReason
}

/** One exchange, ended one way or another. */
export interface ExchangeEnded {
  type: 'exchange-ended'
  origin: Origin
  method: string
  path: string
  /** 0 when no final response came. */
  status: number
  protocol: Protocol | undefined
  /** Where it went, or waited last. */
  lane: LaneName
  connectionId: number
  /** The connection had carried an exchange before. */
  reused: boolean
  retries: number
  /** What was tried before the try that ended it; the first 16 of them. Undefined: nothing was. */
  earlierTries?: readonly EarlierTry[] | undefined
  /** The connects that it waited for, as of `DispatchHandle.attempts`. */
  attempts?: readonly AttemptRecord[]
  /** Of the body; undefined for a stream whose bytes nobody counted. */
  requestBytes: number | undefined
  /** Of the body. */
  responseBytes: number
  /** What became of the early data that it left in; `none`: it did not. */
  earlyData: 'none' | 'accepted' | 'rejected'
  /**
   * For which received data of the response sat behind a gap that a loss had left. Undefined: the protocol
   * cannot tell.
   */
  stallMs: number | undefined
  /** Waiting for connections, in all its tries. */
  queueMs: number
  /** From the lease to the head of the final response; 0 when none came. */
  ttfbMs: number
  totalMs: number
  error: TransportError | undefined
}

/**
 * Gets every event of a transport, synchronously; it has to be quick. What it throws becomes a warning of
 * the process.
 *
 * @example
 * ```ts
 * const observer: Observer = event => {
 *   if (event.type === 'exchange-ended') console.log(event.path, event.status, event.totalMs)
 * }
 * const transport = createTransport({ observer })
 * ```
 */
export type Observer = (event: TransportEvent) => void
