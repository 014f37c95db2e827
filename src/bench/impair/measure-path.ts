import type { Conditions, PathConditions } from './conditions.ts'
import { startEchoes, timeTcp, timeUdp } from './echo.ts'
import type { OpenedPath } from './impair-messages.ts'
import type { PathTarget } from './open-path.ts'

/**
 * How far above the wanted round trip a measured one may be: that share of it and so many milliseconds. It
 * may never be below.
 */
interface PathTolerance {
  readonly share: number
  readonly ms: number
}

export type PathTolerances = Readonly<Record<'tcp' | 'udp', PathTolerance>>

/**
 * Medians. `connectMs` is what a first answer takes longer than a later one: a difference of two medians, and
 * never checked by itself.
 */
export interface PathMeasurement {
  readonly tcp: { readonly connectMs: number; readonly roundTripMs: number }
  /** Undefined: no datagrams pass. */
  readonly udp: { readonly roundTripMs: number } | undefined
}

export interface MeasurePathOptions {
  readonly open: (target: PathTarget) => Promise<OpenedPath>
  readonly close: (path: number) => Promise<void>
  readonly conditions: PathConditions
  readonly hasUdp: boolean
  readonly tolerances: PathTolerances | undefined
}

/** Each of the two timers of a round trip is up to a millisecond late, and a busy machine is later. */
const DEFAULT_TOLERANCE: PathTolerance = { share: 0.05, ms: 4 }
const DEFAULT_TOLERANCES: PathTolerances = { tcp: DEFAULT_TOLERANCE, udp: DEFAULT_TOLERANCE }
const SAMPLES = 3
/** A machine that is busy for a moment is measured again. */
const ATTEMPTS = 4

/** See ImpairedPath.measurePath. */
export async function measurePath(options: MeasurePathOptions): Promise<PathMeasurement> {
  const { open, close, conditions, hasUdp, tolerances = DEFAULT_TOLERANCES } = options
  const toServer = delayOnly(conditions.toServer)
  const toClient = delayOnly(conditions.toClient)
  const roundTripMs = (toServer.delayMs ?? 0) + (toClient.delayMs ?? 0)
  await using echoes = await startEchoes()
  const { path, port } = await open({
    host: '127.0.0.1',
    tcpPort: echoes.tcpPort,
    udpPort: echoes.udpPort,
    conditions: { toServer, toClient },
    seed: 1,
  })
  try {
    await timeTcp(port) // compiles the relays' code
    for (let attempt = 1; ; attempt++) {
      const { measurement, firstMs } = await measureOnce(port, hasUdp)
      const fault =
        faultOf('first answer over TCP', firstMs, 2 * roundTripMs, tolerances.tcp) ??
        faultOf('round trip over TCP', measurement.tcp.roundTripMs, roundTripMs, tolerances.tcp) ??
        faultOf('round trip over UDP', measurement.udp?.roundTripMs, roundTripMs, tolerances.udp)
      if (fault === undefined) return measurement
      if (attempt === ATTEMPTS) throw new Error(fault)
    }
  } finally {
    await close(path)
  }
}

async function measureOnce(
  port: number,
  hasUdp: boolean,
): Promise<{ measurement: PathMeasurement; firstMs: number }> {
  const samples = await sample(() => timeTcp(port))
  const firstMs = middle(samples.map(({ firstMs }) => firstMs))
  const nextMs = middle(samples.map(({ nextMs }) => nextMs))
  const tcp = { connectMs: firstMs - nextMs, roundTripMs: nextMs }
  const udp = hasUdp ? { roundTripMs: middle(await sample(() => timeUdp(port))) } : undefined
  return { measurement: { tcp, udp }, firstMs }
}

/** Undefined: it is as it should be. */
function faultOf(
  what: string,
  ms: number | undefined,
  wantedMs: number,
  { share, ms: slackMs }: PathTolerance,
): string | undefined {
  if (ms === undefined || (ms >= wantedMs && ms <= wantedMs * (1 + share) + slackMs)) return undefined
  return `the impaired path's ${what} takes ${ms.toFixed(1)} ms, not ${wantedMs}: the machine is too busy for this`
}

function delayOnly({ delayMs = 0 }: Conditions): Conditions {
  return { delayMs }
}

async function sample<T>(take: () => Promise<T>): Promise<T[]> {
  const samples: T[] = []
  while (samples.length < SAMPLES) samples.push(await take())
  return samples
}

function middle(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN
}
