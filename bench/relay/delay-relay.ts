import { startDelayedPath } from './delayed-path.ts'

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
