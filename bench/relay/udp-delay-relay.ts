import { startDelayedPath } from './delayed-path.ts'

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
