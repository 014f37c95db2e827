import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { openUdpSocket } from '../../test/support/udp-port.ts'
import { median } from '../lib/statistics.ts'
import { startRelayProcess } from './start-relay-process.ts'

/** The way of datagrams to `targetPort` made longer, by a relay in a process of its own. */
export interface UdpDelayRelay extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number
  /** What it was measured to do: the median of a few round trips. */
  readonly roundTripMs: number
}

const SAMPLES = 5
/** How far from the wanted round trip the measured one may be: timers are up to a millisecond late, twice. */
const TOLERANCE = 0.05
/** A datagram that is not back by then was lost, which a relay without loss must not do. */
const PATIENCE_MS = 5_000

/** Starts the relay and measures it. Rejects when the delay is not what it should be, or when a datagram is lost or changed. */
export async function startUdpDelayRelay(
  targetPort: number,
  roundTripMs: number,
  cpu: number | undefined,
): Promise<UdpDelayRelay> {
  const echo = await openUdpSocket()
  echo.on('message', (datagram, { port, address }) => echo.send(datagram, port, address))
  const program = new URL('./udp-relay-process.js', import.meta.url) // compiled beside this file
  const relay = await startRelayProcess(program, roundTripMs / 2, [targetPort, echo.address().port], cpu)
  try {
    const [port = 0, echoPort = 0] = relay.ports
    const socket = createSocket('udp4')
    const samples: number[] = []
    try {
      await measureEcho(socket, echoPort) // compiles the relay's code and opens its way to the target
      while (samples.length < SAMPLES) samples.push(await measureEcho(socket, echoPort))
    } finally {
      socket.close()
    }
    const measured = median(samples)
    if (measured < roundTripMs || measured > roundTripMs * (1 + TOLERANCE)) {
      const what = `the UDP relay's round trip is ${measured.toFixed(1)} ms, not ${roundTripMs}`
      throw new Error(`${what}: the machine is too busy for this`)
    }
    return { port, roundTripMs: measured, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() }
  } catch (error) {
    await relay[Symbol.asyncDispose]()
    throw error
  } finally {
    echo.close()
  }
}

async function measureEcho(socket: Socket, port: number): Promise<number> {
  const sent = Buffer.alloc(1200, 'x')
  const begun = performance.now()
  socket.send(sent, port, '127.0.0.1')
  const [received] = (await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [Buffer] // dgram's own event
  if (!received.equals(sent)) throw new Error('the UDP relay changed what it carried')
  return performance.now() - begun
}
