import type { PoolOptions } from '../../base/options/options.ts'
import { connectionsFor, spareOf } from '../../pool/rules/demand.ts'
import { DEFAULT_HEADROOM } from '../../pool/rules/sizing.ts'
import type { EconomyFigures } from './economy-figures.ts'

/** Edges that the origin is reckoned for: as many as a large delivery network has places. */
const FLEET_EDGES = 200

/**
 * How many connections an origin needs by what was measured over the last minute, and how many it has:
 * Little's law, as `middlemile size` reckons it.
 *
 * @example
 * ```ts
 * for (const { origin, sizing } of transport.stats().pools)
 *   console.log(origin, sizing.arithmetic, sizing.fleet.connections)
 * ```
 */
export interface PoolSizing {
  readonly requestsPerSecond: number
  readonly latencyMs: number
  /** Exchanges that were under way at once, on average: the product of the two. */
  readonly concurrency: number
  /** `pool.headroom`, or 1.5 where that is 0. */
  readonly headroom: number
  /** Undefined: no connection has reported yet. */
  readonly streamsPerConnection: number | undefined
  /** Connections that carry that, a spare one included where one carries many. Undefined: not known yet. */
  readonly needed: number | undefined
  /** Connections that are kept ready now: `pool.warm`, and with `pool.headroom` what the demand needs. */
  readonly level: number
  /** `pool.maxConnections`. */
  readonly ceiling: number
  /** The same in one line, for people. */
  readonly arithmetic: string
  /** What 200 edges of this size would cost the origin. */
  readonly fleet: { readonly edges: number; readonly connections: number | undefined }
}

export function poolSizing(
  lastMinute: EconomyFigures,
  { headroom: configured, maxConnections }: Pick<PoolOptions, 'headroom' | 'maxConnections'>,
  { level, streamsPerConnection }: { level: number; streamsPerConnection: number | undefined },
): PoolSizing {
  const { requestsPerSecond, latencyMs, concurrency } = lastMinute
  const headroom = configured === 0 ? DEFAULT_HEADROOM : configured
  const isAsked = lastMinute.requests > 0 && streamsPerConnection !== undefined
  const needed = isAsked ? connectionsFor(concurrency * headroom, streamsPerConnection) : undefined
  return {
    requestsPerSecond,
    latencyMs,
    concurrency,
    headroom,
    streamsPerConnection,
    needed,
    level,
    ceiling: maxConnections,
    arithmetic: arithmetic(lastMinute, headroom, streamsPerConnection, needed),
    fleet: { edges: FLEET_EDGES, connections: needed === undefined ? undefined : needed * FLEET_EDGES },
  }
}

function arithmetic(
  { requestsPerSecond, latencyMs, concurrency }: EconomyFigures,
  headroom: number,
  streams: number | undefined,
  needed: number | undefined,
): string {
  if (needed === undefined || streams === undefined) return 'no request in the last minute'
  const demand = `${round(requestsPerSecond)} requests/s x ${round(latencyMs)} ms = ${round(concurrency)} at once, x ${headroom}`
  const spare = spareOf(streams) > 0 ? ' + 1 spare' : ''
  return `${demand} / ${streams} a connection${spare} = ${needed} ${needed === 1 ? 'connection' : 'connections'}`
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()
}
