import { TransportError } from '../base/errors.ts'
import type { PoolOptions } from '../base/options/options.ts'
import type { RequestPool } from '../pool/pool.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'

/**
 * The options of an upgrade pool: never warm. Its tunnels are connections to the origin like all others, and
 * all pools of the origin share `maxConnections`. Tunnels last, so that one connection is not for them where
 * there may be more than one: requests would else wait until a tunnel ends.
 */
export function upgradePoolOptions(options: PoolOptions): PoolOptions {
  const { maxConnections } = options
  return {
    ...options,
    warm: 0,
    headroom: 0,
    maxConnections: maxConnections > 1 ? maxConnections - 1 : maxConnections,
  }
}

export interface UpgradeRouteParts {
  readonly record: OriginRecord
  /** Where everything else goes. */
  readonly main: RequestPool
  /** The origin may be spoken to in HTTP/1.1, and in something else as well. */
  readonly hasDetour: boolean
  /** Makes the pool of HTTP/1.1 connections; undefined when the origin's pools are going away. */
  readonly makePool: () => RequestPool | undefined
}

/**
 * Where upgrades go. Over HTTP/2 and HTTP/3 they are extended CONNECT, which an origin may not offer (RFC
 * 8441, RFC 9220); WebSocket servers behind one often take upgrades over HTTP/1.1 only. So:
 *
 * 1. An upgrade goes where all requests go, unless the origin's last HTTP/2 or HTTP/3 connection said that it
 *    offers no extended CONNECT.
 * 2. When it finds itself on such a connection, or is one that extended CONNECT cannot say
 *    (MM_UPGRADE_UNAVAILABLE: nothing was sent), it takes the detour: a pool of the same origin that offers
 *    HTTP/1.1 only, made when it is first needed.
 * 3. So does any other request that the origin resets with HTTP_1_1_REQUIRED (RFC 9113 7;
 *    MM_HTTP11_REQUIRED).
 * 4. Where HTTP/1.1 is not allowed, or the origin does not speak it, the upgrade fails with
 *    MM_UPGRADE_UNAVAILABLE, the other with its error. One that is optional goes where all requests go, as if
 *    nobody had asked (RFC 9110 7.8).
 */
export class UpgradeRoute {
  readonly #parts: UpgradeRouteParts
  #pool: RequestPool | undefined

  constructor(parts: UpgradeRouteParts) {
    this.#parts = parts
    this.#pool = undefined
  }

  /** The detour's pool, if there is one yet. */
  get pool(): RequestPool | undefined {
    return this.#pool
  }

  /** Where an upgrade goes first. */
  first(): RequestPool {
    const { record, main, hasDetour } = this.#parts
    const speaks = (record.tcpProtocol ?? record.protocol)?.value
    const isUnavailable = (speaks === 'h2' || speaks === 'h3') && record.extendedConnect?.value === false
    return (hasDetour && isUnavailable ? this.#detour() : undefined) ?? main // 1
  }

  /** Where it goes after `pool` gave it a connection that cannot carry it; undefined: nowhere. */
  next(pool: RequestPool): RequestPool | undefined {
    return this.#parts.hasDetour && pool !== this.#pool ? this.#detour() : undefined // 2, 3
  }

  /** What the caller gets when it waited in `pool` and got no connection. */
  failure(error: TransportError, pool: RequestPool): TransportError {
    if (pool === this.#parts.main || error.code !== 'MM_ALPN_MISMATCH') return error
    const message = `the origin offers no extended CONNECT over h2, and does not speak http/1.1: ${error.message}`
    return new TransportError('MM_UPGRADE_UNAVAILABLE', message, { cause: error }) // 4
  }

  #detour(): RequestPool | undefined {
    this.#pool ??= this.#parts.makePool()
    return this.#pool
  }
}
