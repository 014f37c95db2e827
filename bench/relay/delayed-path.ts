import { type ImpairedPath, startImpairedPath } from '../../src/bench/impair/impaired-path.ts'
import type { PathMeasurement } from '../../src/bench/impair/measure-path.ts'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'

interface DelayedPathOptions {
  /** Of servers on 127.0.0.1. Undefined: no datagrams pass. */
  readonly tcpPort: number
  readonly udpPort?: number
  /** Half of it each way, and nothing else. */
  readonly roundTripMs: number
  readonly cpu: number | undefined
}

/** How far from the wanted round trip the measured one may be: timers are up to a millisecond late, twice. */
const TOLERANCES = { tcp: { share: 0.15, ms: 0 }, udp: { share: 0.05, ms: 0 } }

/** A longer way, which was measured to be as long as it should be. */
async function startDelayedPath({
  tcpPort,
  udpPort,
  roundTripMs,
  cpu,
}: DelayedPathOptions): Promise<{ way: ImpairedPath; measured: PathMeasurement }> {
  const delay = { delayMs: roundTripMs / 2 }
  const way = await startImpairedPath({
    host: '127.0.0.1',
    tcpPort,
    ...(udpPort !== undefined && { udpPort }),
    conditions: { toServer: delay, toClient: delay },
    seed: 1,
    prefix: [...deathSignalPrefix(), ...cpuPrefix(cpu)],
  })
  try {
    return { way, measured: await way.measurePath(TOLERANCES) }
  } catch (error) {
    await way[Symbol.asyncDispose]()
    throw error
  }
}

/** The way to `targetPort` made longer, by a relay in a process of its own. */
export interface DelayRelay extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number
  /** What it was measured to do: the medians of a few connections and of a few round trips on each. */
  readonly connectMs: number
  readonly roundTripMs: number
}

/**
 * Starts the relay and measures it. Rejects when the delay is not what it should be, or when bytes are lost
 * or moved.
 */
export async function startDelayRelay(
  targetPort: number,
  roundTripMs: number,
  cpu: number | undefined,
): Promise<DelayRelay> {
  const { way, measured } = await startDelayedPath({
    tcpPort: targetPort,
    roundTripMs,
    cpu,
  })
  return { port: way.port, ...measured.tcp, [Symbol.asyncDispose]: () => way[Symbol.asyncDispose]() }
}

/** The way of datagrams to `targetPort` made longer, by a relay in a process of its own. */
export interface UdpDelayRelay extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number
  /** What it was measured to do: the median of a few round trips. */
  readonly roundTripMs: number
}

/**
 * Starts the relay and measures it. Rejects when the delay is not what it should be, or when a datagram is
 * lost or changed.
 */
export async function startUdpDelayRelay(
  targetPort: number,
  roundTripMs: number,
  cpu: number | undefined,
): Promise<UdpDelayRelay> {
  const { way, measured } = await startDelayedPath({
    tcpPort: targetPort,
    udpPort: targetPort,
    roundTripMs,
    cpu,
  })
  const { udp = { roundTripMs: Number.NaN } } = measured // it passes datagrams, so that they were measured
  return { port: way.port, ...udp, [Symbol.asyncDispose]: () => way[Symbol.asyncDispose]() }
}
