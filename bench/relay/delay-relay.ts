import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { bodyOf } from '../../test/support/body-files.ts'
import { startRelayProcess } from './start-relay-process.ts'

/** The way to `targetPort` made longer, by a relay in a process of its own. */
export interface DelayRelay extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number
  /** What it was measured to do: the medians of a few connections and of a few round trips on each. */
  readonly connectMs: number
  readonly roundTripMs: number
}

/** No two places near each other alike. */
const MEGABYTE = bodyOf(1_000_000)

/** How far from the wanted round trip the measured one may be: timers are up to a millisecond late, twice. */
const TOLERANCE = 0.15

/** Starts the relay and measures it. Rejects when the delay is not what it should be, or when bytes are lost or moved. */
export async function startDelayRelay(
  targetPort: number,
  roundTripMs: number,
  cpu: number | undefined,
): Promise<DelayRelay> {
  const echo = await startEcho()
  const program = new URL('./relay-process.js', import.meta.url) // compiled beside this file
  const relay = await startRelayProcess(program, roundTripMs / 2, [targetPort, portOf(echo)], cpu)
  try {
    const [port = 0, echoPort = 0] = relay.ports
    await measureEcho(echoPort) // compiles the relay's code
    const samples = [await measureEcho(echoPort), await measureEcho(echoPort), await measureEcho(echoPort)]
    const measured = {
      connectMs: middle(samples.map(sample => sample.connectMs)),
      roundTripMs: middle(samples.map(sample => sample.roundTripMs)),
    }
    for (const [what, ms] of Object.entries(measured)) {
      if (ms >= roundTripMs && ms <= roundTripMs * (1 + TOLERANCE)) continue
      throw new Error(
        `the relay's ${what} is ${ms.toFixed(1)}, not ${roundTripMs}: the machine is too busy for this`,
      )
    }
    return { port, ...measured, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() }
  } catch (error) {
    await relay[Symbol.asyncDispose]()
    throw error
  } finally {
    echo.close()
  }
}

function middle(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN
}

async function startEcho(): Promise<Server> {
  const server = createServer({ noDelay: true }, socket => socket.pipe(socket))
  server.listen({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port // it listens on TCP
}

/**
 * One connection: a byte there and back, which with the handshake takes two round trips; another byte, which takes one; then a megabyte,
 * which must come back as it was.
 */
async function measureEcho(port: number): Promise<{ connectMs: number; roundTripMs: number }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  try {
    const begun = performance.now()
    await exchange(socket, Buffer.of(1))
    const first = performance.now()
    await exchange(socket, Buffer.of(2))
    const roundTripMs = performance.now() - first
    await exchange(socket, MEGABYTE)
    return { connectMs: first - begun - roundTripMs, roundTripMs }
  } finally {
    socket.destroy()
  }
}

/** Writes, and waits until the same has come back. */
function exchange(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    const settle = (work: () => void): void => {
      socket.off('data', onData).off('close', onClose)
      work()
    }
    const onData = (chunk: Buffer): void => {
      const isSame = chunk.equals(bytes.subarray(received, received + chunk.length))
      received += chunk.length
      if (!isSame) settle(() => reject(new Error('the relay changed what it carried')))
      else if (received === bytes.length) settle(resolve)
    }
    const onClose = (): void => settle(() => reject(new Error('the relay closed')))
    // What it closes for is in 'close' already.
    socket
      .on('data', onData)
      .on('close', onClose)
      .on('error', () => undefined)
    socket.write(bytes)
  })
}
