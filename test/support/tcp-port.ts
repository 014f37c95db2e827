import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Ports are drawn from below Linux' ephemeral range (32768 and up): one from inside it can be taken by any
 * outgoing connection between our look and the server's bind, and a load generator makes thousands of those.
 */
const FIRST = 20_000
const LAST = 32_000
const handedOut = new Set<number>()

/** A TCP port on 127.0.0.1 that nobody listens on. This process never hands out the same one twice. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (!handedOut.has(port) && (await canListen(port))) {
      handedOut.add(port)
      return port
    }
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/**
 * Resolves when something accepts on the port; false when it did not until the deadline or `isHopeless` said
 * so.
 */
export async function waitUntilAccepts(
  port: number,
  timeoutMs: number,
  isHopeless: () => boolean = () => false,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline && !isHopeless()) {
    if (await accepts(port)) return true
    await sleep(20)
  }
  return false
}

/** Whether something accepts on the port now. */
export function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    const settle = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => settle(false))
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}
