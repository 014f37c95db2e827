import type { TransportError } from '../base/errors.ts'
import type { AttemptRecord, Connection } from '../base/events/connection.ts'
import type { RequestBody } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import type { LaneName, Protocol } from '../base/http/protocol.ts'
import type { RequestRetry } from '../base/options/request-options.ts'

/** A request for dispatch(): the lowest door, on which all the others stand. */
export interface DispatchRequest {
  method: string
  /** Origin-form. */
  path: string
  /** Lower-case names; end-to-end fields only. */
  headers: HeaderList
  body: RequestBody
  /** What Host and :authority carry; default: the origin's own. */
  authority?: string | undefined
  upgrade?: string | undefined
  /**
   * Where the connection cannot ask for `upgrade`, the request goes without it. Default false: it fails with
   * MM_UPGRADE_UNAVAILABLE.
   */
  isUpgradeOptional?: boolean | undefined
  /** The caller takes trailers: says `te: trailers`. Default: over HTTP/2 and HTTP/3 only. */
  acceptsTrailers?: boolean | undefined
  /**
   * May travel in early data (0-RTT), if its method is safe and it has no body. Default: what `earlyData` of
   * the origin says.
   */
  earlyData?: boolean | undefined
  /**
   * Whose turn it takes where requests to a protected origin wait (`protection.fairBy`). Default: one turn
   * for all that say none.
   */
  fairKey?: string | undefined
  /** Overrides of the origin's timeouts, in ms. */
  headersTimeoutMs?: number | undefined
  bodyTimeoutMs?: number | undefined
  requestTimeoutMs?: number | undefined
  /** Overrides of `retry` of the origin. */
  retry?: RequestRetry | undefined
  /** Those of the origin's protocols that may carry it. Default: all of them. */
  protocols?: readonly Protocol[] | undefined
}

/** The caller's hold on a dispatched request, and what became of it so far. */
export interface DispatchHandle {
  /**
   * Gives up, in whatever phase. The handler gets onResponseError with this error, synchronously, unless it
   * has ended already.
   */
  abort(error: TransportError): void
  /** Where it goes, or waited last; undefined: it was refused before it had one. */
  readonly lane: LaneName | undefined
  /** The connection that carries it, or carried it last. */
  readonly connection: Connection | undefined
  /** That connection had carried an exchange before. */
  readonly reused: boolean
  readonly retries: number
  /** It left in early data, when it was sent last. */
  readonly wasEarly: boolean
  /** Waiting for connections, so far or in all: what tries took that failed is no part of it. */
  readonly queueMs: number
  /** From the lease to the head of the final response; 0 before. */
  readonly ttfbMs: number
  /**
   * What was tried to get its connections, over all lanes that were asked, and by all tries of the exchange
   * in their order: a race or a dial that failed, then what came after it. Times count from the start of each
   * race or dial. Empty: the connection was there.
   */
  readonly attempts: readonly AttemptRecord[]
}
