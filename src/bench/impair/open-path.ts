import type { Conditions, Direction, PathConditions } from './conditions.ts'
import { RateQueue } from './rate-queue.ts'
import type { StreamCounts } from './stream-line.ts'
import { type ImpairedTcp, impairTcp } from './tcp-relay.ts'
import { type ImpairedUdp, impairUdp, type UdpCounts } from './udp-relay.ts'

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

/** What the relays' process is asked. A path is named by the number that `open` answered. */
export type ImpairAsk =
  | { readonly kind: 'open'; readonly target: PathTarget }
  | { readonly kind: 'close'; readonly path: number }
  | {
      readonly kind: 'setConditions'
      readonly path: number
      readonly direction: Direction
      readonly conditions: Conditions
    }
  | { readonly kind: 'counts'; readonly path: number }
  | { readonly kind: 'rebind'; readonly path: number; readonly host?: string; readonly keepsOldMs: number }
  | { readonly kind: 'silence'; readonly path: number }

export interface ImpairQuestion {
  readonly id: number
  readonly ask: ImpairAsk
}

export type ImpairAnswer =
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly error: string }

export interface OpenedPath {
  readonly path: number
  readonly port: number
}

export interface PathCounts {
  readonly tcp: Readonly<Record<Direction, StreamCounts>>
  /** Undefined: no datagrams pass. */
  readonly udp: UdpCounts | undefined
}
