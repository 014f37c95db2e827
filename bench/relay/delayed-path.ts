import { type ImpairedPath, startImpairedPath } from '../../src/bench/impair/impaired-path.ts'
import type { PathMeasurement } from '../../src/bench/impair/measure-path.ts'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'

export interface DelayedPathOptions {
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
export async function startDelayedPath({
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
