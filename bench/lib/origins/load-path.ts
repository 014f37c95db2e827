import type { PathConditions } from '../../../src/bench/impair/conditions.ts'
import { type ImpairedPath, startImpairedPath } from '../../../src/bench/impair/impaired-path.ts'
import { limits } from '../../../src/bench/impair/limits.ts'
import type { WireBytes } from '../../../src/bench/results/scenario-result.ts'
import { wireOf } from '../../../src/bench/wire-of.ts'
import { LINK_ADDRESSES, type LossyLink } from '../../../test/support/lossy-link.ts'
import { requireNamespaces } from '../../../test/support/network-namespace.ts'
import { type CongestionControl, requireLossyPath, startLossyPath } from './lossy-path.ts'

/** What lies between clients and servers of a scenario. */
export interface LoadPath extends AsyncDisposable {
  /** Where servers listen; clients find them there too, unless `reach` says otherwise. */
  readonly address: string
  /** What figures over it do not show, a line each. */
  readonly limits: readonly string[]
  /** Stands before a client's command line. */
  readonly clientPrefix: readonly string[]
  /** Servers, and the ports for them, are made during a stay. */
  enterServers(): Disposable
  /** Where clients find a port of `address`. Called once for each, when its server listens. */
  reach(port: number, hasUdp: boolean): Promise<PathTarget>
  /** From now on. Everything random is drawn from the seed. */
  impair(conditions: LinkConditions, seed: number): Promise<void>
  /** What relays make of it; undefined: it meets the packets of all protocols alike. */
  relayed(conditions: LinkConditions): PathConditions | undefined
  /**
   * What has passed so far: packets of a link with their IP headers, payloads of relays. Undefined: nobody
   * counts.
   */
  passed(): Promise<WireBytes | undefined>
}

interface PathTarget {
  readonly address: string
  readonly port: number
}

/** Of both directions alike. */
export interface LinkConditions {
  readonly roundTripMs: number
  /** Share of packets, 0 to 1, each by itself. */
  readonly lossRate: number
}

/** Loopback as it is. */
export function nearPath(): LoadPath {
  const address = '127.0.0.1'
  return {
    address,
    limits: ['loopback: no delay, no loss, segments of 64 KB, client and origin share the machine'],
    clientPrefix: [],
    enterServers: () => ({ [Symbol.dispose]: () => undefined }),
    reach: port => Promise.resolve({ address, port }),
    impair({ roundTripMs, lossRate }) {
      if (roundTripMs === 0 && lossRate === 0) return Promise.resolve()
      return Promise.reject(new Error('loopback neither delays nor loses'))
    },
    relayed: () => undefined,
    passed: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/**
 * A way that delays and loses: packets where this machine lets us (root), else what goes through relays in
 * user space, which know of no congestion control.
 */
export async function openLossyPath(
  congestionControl: CongestionControl,
): Promise<{ way: LoadPath } | { unavailable: string }> {
  const missing = requireLossyPath() ?? requireNamespaces()
  if (missing === undefined) return { way: await linkPath(congestionControl) }
  // The words are those of a test's report.
  const because = missing.replace('skipped: ', '')
  return congestionControl === 'cubic' ? { way: relayedPath(because) } : { unavailable: because }
}

/** Two network namespaces and a link that delays and loses packets, SYNs among them: root only. */
async function linkPath(congestionControl: CongestionControl): Promise<LoadPath> {
  const link: LossyLink = await startLossyPath(0, congestionControl)
  const address = LINK_ADDRESSES.server
  return {
    address,
    limits: [
      `packets between two network namespaces; TCP with ${congestionControl} at both ends, QUIC with what its implementation has: quic-go's own at caddy, ${congestionControl} of quiche at our origin`,
      'no limit of bandwidth and no queue: pushing harder costs nobody anything; losses are independent of each other',
    ],
    clientPrefix: link.prefix('client'),
    enterServers: () => link.enter('server'),
    reach: port => Promise.resolve({ address, port }),
    async impair({ roundTripMs, lossRate }, seed) {
      await link.delay(roundTripMs / 2)
      await link.lose(lossRate, seed)
    },
    relayed: () => undefined,
    async passed() {
      const { toServer, toClient } = await link.bytes()
      return { sentBytes: toServer, receivedBytes: toClient }
    },
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  }
}

function relayed({ roundTripMs, lossRate }: LinkConditions): PathConditions {
  const conditions = { delayMs: roundTripMs / 2, lossRate }
  return { toServer: conditions, toClient: conditions }
}

/** Relays before each port. Their seed is that of their start. */
function relayedPath(because: string): LoadPath {
  const address = '127.0.0.1'
  const relays: ImpairedPath[] = []
  return {
    address,
    limits: [`no packets are lost here (${because}), but what goes through relays:`, ...limits()],
    clientPrefix: [],
    enterServers: () => ({ [Symbol.dispose]: () => undefined }),
    async reach(port, hasUdp) {
      const relay = await startImpairedPath({
        host: address,
        tcpPort: port,
        ...(hasUdp && { udpPort: port }),
        conditions: { toServer: {}, toClient: {} },
        seed: port,
      })
      relays.push(relay)
      return { address: relay.host, port: relay.port }
    },
    async impair(conditions) {
      const { toServer, toClient } = relayed(conditions)
      for (const relay of relays) {
        await relay.setConditions('toServer', toServer)
        await relay.setConditions('toClient', toClient)
      }
    },
    relayed,
    async passed() {
      let [sentBytes, receivedBytes] = [0, 0]
      for (const relay of relays) {
        const passed = wireOf(await relay.counts())
        sentBytes += passed.sentBytes
        receivedBytes += passed.receivedBytes
      }
      return { sentBytes, receivedBytes }
    },
    async [Symbol.asyncDispose]() {
      for (const relay of relays) await relay[Symbol.asyncDispose]()
    },
  }
}
