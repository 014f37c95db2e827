import type { Clock } from '../base/clock.ts'
import type { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import { type ExchangeRequest, isReplayableBody } from '../base/http/exchange.ts'
import { fitsExtendedConnect } from '../http/multiplex/messages/outgoing-request.ts'
import type { ExchangeOrigin } from '../origin/exchange-origin.ts'
import type { Pool } from '../pool/pool.ts'
import { needsHttp1 } from './replay-rules.ts'

/** Where a request goes that its connection cannot carry, and as what. Nothing was processed: no replay. */
export interface Detour {
  readonly pool: Pool
  readonly request: ExchangeRequest
}

/** The try that could not carry it. */
interface RefusedTry {
  readonly error: TransportError
  readonly request: ExchangeRequest
  readonly pool: Pool
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
  if (!needsHttp1(error)) return undefined
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
