import type { PathConditions } from './conditions.ts'
import { RateQueue } from './rate-queue.ts'
import { type ImpairedTcp, impairTcp } from './tcp-relay.ts'
import { type ImpairedUdp, impairUdp } from './udp-relay.ts'

/** A server, and what lies before it. */
export interface PathTarget {
  /** Of the server: an address or a name. */
  readonly host: string
  readonly tcpPort: number
  /** Undefined: no datagrams pass. */
  readonly udpPort?: number
  readonly conditions: PathConditions
  /** A whole number. */
  readonly seed: number
}

export interface OpenPath extends AsyncDisposable {
  readonly tcp: ImpairedTcp
  readonly udp: ImpairedUdp | undefined
}

const ATTEMPTS = 20

/**
 * Both relays, on one port number of 127.0.0.1, as a client expects it that learns of HTTP/3 over TCP. They
 * share the bottleneck.
 */
export async function openPath({ host, tcpPort, udpPort, conditions, seed }: PathTarget): Promise<OpenPath> {
  const narrow = { toServer: new RateQueue(), toClient: new RateQueue() }
  for (let attempt = 1; ; attempt++) {
    const tcp = await impairTcp({ ...conditions, seed, narrow, target: { host, port: tcpPort } })
    try {
      const options = { ...conditions, seed, narrow, port: tcp.port }
      const udp =
        udpPort === undefined ? undefined : await impairUdp({ ...options, target: { host, port: udpPort } })
      return {
        tcp,
        udp,
        async [Symbol.asyncDispose]() {
          await tcp[Symbol.asyncDispose]()
          await udp?.[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      await tcp[Symbol.asyncDispose]()
      // Somebody has the port for UDP.
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!isTaken || attempt === ATTEMPTS) throw error
    }
  }
}
