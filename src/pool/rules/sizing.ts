import { TransportError } from '../../base/errors.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { connectionsFor, spareOf } from './demand.ts'

/**
 * What a pool has to carry.
 *
 * @example
 * ```ts
 * const input: SizingInput = { rps: 2_000, latencyMs: 40, protocol: 'h2', edges: 10 }
 * console.log(sizePool(input).origin.connections)
 * ```
 */
export interface SizingInput {
  /** Requests per second that one edge sends. */
  readonly rps: number
  /** How long an exchange holds its stream, on average. */
  readonly latencyMs: number
  readonly protocol: Protocol
  /** Room for bursts: 1.5 is half as much again. */
  readonly headroom?: number | undefined
  /** Default: 100 (HTTP/2, HTTP/3), 1 (HTTP/1.1, which has no other value). */
  readonly streamsPerConnection?: number | undefined
  /** How many edges send as much to the same origin. */
  readonly edges?: number | undefined
}

/**
 * How large a pool has to be, and what its origin sees.
 *
 * @example
 * ```ts
 * const { connections }: Sizing = sizePool({ rps: 2_000, latencyMs: 40, protocol: 'http/1.1' })
 * const transport = createTransport({ defaults: { pool: { maxConnections: connections } } })
 * ```
 */
export interface Sizing {
  /** Exchanges that are under way at once, on average: Little's law, R x L. */
  readonly concurrency: number
  /** The same with headroom. */
  readonly streams: number
  /** Connections that one edge needs, the spare one included: a value for pool.maxConnections. */
  readonly connections: number
  /**
   * Of them, the one that stands by where one carries many exchanges, so that the end of a connection makes
   * nobody wait: 1 over HTTP/2 and HTTP/3.
   */
  readonly spare: number
  readonly streamsPerConnection: number
  /** What the origin sees from all edges. */
  readonly origin: { readonly connections: number; readonly streams: number; readonly rps: number }
}

/** The `headroom` of sizePool() where none is given. */
export const DEFAULT_HEADROOM = 1.5
const DEFAULT_STREAMS: Readonly<Record<Protocol, number>> = { 'http/1.1': 1, h2: 100, h3: 100 }

/**
 * Little's law (J. D. C. Little, 1961): what is under way at once is rate x time, C = R x L x headroom. Over
 * HTTP/2 and HTTP/3 that many streams, over so many connections and a spare one.
 *
 * @example
 * ```ts
 * sizePool({ rps: 2_000, latencyMs: 40, protocol: 'http/1.1' }).connections // 120
 * ```
 */
export function sizePool(input: SizingInput): Sizing {
  const headroom = input.headroom ?? DEFAULT_HEADROOM
  const streamsPerConnection = input.streamsPerConnection ?? DEFAULT_STREAMS[input.protocol]
  const edges = input.edges ?? 1
  requirePositive('rps', input.rps)
  requirePositive('latencyMs', input.latencyMs)
  requirePositive('headroom', headroom)
  requireCount('streamsPerConnection', streamsPerConnection)
  requireCount('edges', edges)
  if (input.protocol === 'http/1.1' && streamsPerConnection !== 1) {
    throw new TransportError('MM_INVALID_ARGUMENT', 'streamsPerConnection is 1 with http/1.1')
  }
  const concurrency = roundOff((input.rps * input.latencyMs) / 1000)
  const streams = roundOff(concurrency * headroom)
  const connections = connectionsFor(streams, streamsPerConnection)
  return {
    concurrency,
    streams,
    connections,
    spare: spareOf(streamsPerConnection),
    streamsPerConnection,
    origin: {
      connections: connections * edges,
      streams: roundOff(streams * edges),
      rps: roundOff(input.rps * edges),
    },
  }
}

/**
 * Takes off the noise of binary fractions, which would make one connection too many: 10 x 0.3 x 1.1 is
 * 3.3000000000000003.
 */
function roundOff(value: number): number {
  return Number(value.toPrecision(12))
}

function requirePositive(name: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw new TransportError('MM_INVALID_ARGUMENT', `${name} must be a number above 0, not ${value}`)
}

function requireCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return
  throw new TransportError('MM_INVALID_ARGUMENT', `${name} must be a whole number above 0, not ${value}`)
}
