import { join } from 'node:path'
import type { PathConditions } from '../../src/bench/impair/conditions.ts'
import { type ImpairedPath, limits, startImpairedPath } from '../../src/bench/impair/impaired-path.ts'
import type { PathMeasurement, PathTolerances } from '../../src/bench/impair/measure-path.ts'
import { type WireBytes, wireOf } from '../../src/bench/results/scenario-result.ts'
import { mean } from '../../src/bench/results/statistics.ts'
import {
  LINK_ADDRESSES,
  type LossyLink,
  requireLossyLink,
  startLossyLink,
} from '../../test/support/lossy-link.ts'
import { requireNamespaces } from '../../test/support/network-namespace.ts'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { runTool } from '../../test/support/run-tool.ts'
import { planCpus } from '../lib/cpus.ts'
import { repositoryRoot } from '../lib/repository.ts'

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
  /** As it was measured under the conditions that it has; undefined: it was not. */
  roundTripMs(transport: 'tcp' | 'udp'): number | undefined
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
    roundTripMs: () => undefined,
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
  needsPackets = false,
): Promise<{ way: LoadPath } | { unavailable: string }> {
  const missing = requireLossyPath() ?? requireNamespaces()
  if (missing === undefined) return { way: await linkPath(congestionControl) }
  // The words are those of a test's report.
  const because = missing.replace('skipped: ', '')
  if (needsPackets || congestionControl !== 'cubic') return { unavailable: because }
  return { way: relayedPath([`no packets are lost here (${because}), but what goes through relays:`]) }
}

/** How far from the wanted round trip the measured one may be: timers are up to a millisecond late, twice. */
const TOLERANCES = { tcp: { share: 0.15, ms: 0 }, udp: { share: 0.05, ms: 0 } }

/** A longer path and nothing else: the cost of handshakes, windows and waiting. */
export function delayedPath(): LoadPath {
  return relayedPath(['the path is relays that delay, measured before they are used:'], TOLERANCES)
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
    roundTripMs: () => undefined,
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

/** Relays before each port. Their seed is that of their start. With tolerances each new delay is measured. */
function relayedPath(because: readonly string[], tolerances?: PathTolerances): LoadPath {
  const address = '127.0.0.1'
  const relays: ImpairedPath[] = []
  const measured = new Map<number, PathMeasurement[]>()
  let current = 0
  const measure = async (roundTripMs: number): Promise<void> => {
    const measurements: PathMeasurement[] = []
    for (const relay of relays) measurements.push(await relay.measurePath(tolerances))
    measured.set(roundTripMs, measurements)
  }
  return {
    address,
    get limits() {
      return [...because, ...[...measured].map(describe), ...limits()]
    },
    clientPrefix: [],
    enterServers: () => ({ [Symbol.dispose]: () => undefined }),
    async reach(port, hasUdp) {
      const relay = await startImpairedPath({
        host: address,
        tcpPort: port,
        ...(hasUdp && { udpPort: port }),
        conditions: { toServer: {}, toClient: {} },
        seed: port,
        prefix: [...deathSignalPrefix(), ...cpuPrefix(planCpus().load)],
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
      current = conditions.roundTripMs
      if (tolerances !== undefined && current > 0 && !measured.has(current)) await measure(current)
    },
    relayed,
    roundTripMs(transport) {
      return meanOf((measured.get(current) ?? []).map(({ tcp, udp }) => (transport === 'tcp' ? tcp : udp)))
    },
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

function describe([roundTripMs, measurements]: [number, readonly PathMeasurement[]]): string {
  const tcp = meanOf(measurements.map(one => one.tcp)) ?? Number.NaN
  const udp = meanOf(measurements.map(one => one.udp))
  const overUdp = udp === undefined ? '' : `, ${udp.toFixed(1)} ms over UDP`
  return `${roundTripMs} ms of round trip were measured to be ${tcp.toFixed(1)} ms over TCP${overUdp}`
}

function meanOf(measured: readonly ({ readonly roundTripMs: number } | undefined)[]): number | undefined {
  const figures = measured.flatMap(one => (one === undefined ? [] : [one.roundTripMs]))
  return figures.length === 0 ? undefined : mean(figures)
}

/** The helper's source: the bench runs from a compiled copy, where it does not lie. */
export const LINK_SOURCE: string = join(repositoryRoot, 'test', 'support', 'lossy-link', 'lossy-link.c')

/** How the kernel's TCP reacts to losses. Other implementations, QUIC among them, have their own. */
export type CongestionControl = 'cubic' | 'bbr'

/** Undefined where it can be made, else the reason to skip. */
export function requireLossyPath(): string | undefined {
  return requireLossyLink() ?? requireBinary('ip', 'caddy')
}

/**
 * A lossy link whose TCP has that congestion control at both ends. It is an attribute of the route: the
 * default of a namespace can only be set to what the whole machine allows its users.
 */
export async function startLossyPath(
  delayMs: number,
  congestionControl: CongestionControl,
): Promise<LossyLink> {
  const link = await startLossyLink(delayMs, LINK_SOURCE)
  try {
    for (const end of ['client', 'server'] as const) {
      const route = [
        '10.78.0.0/24',
        'dev',
        'link',
        'proto',
        'kernel',
        'scope',
        'link',
        'src',
        LINK_ADDRESSES[end],
      ]
      const { exitCode, output } = await runTool(
        'ip',
        ['route', 'replace', ...route, 'congctl', congestionControl],
        { prefix: link.prefix(end) },
      )
      if (exitCode !== 0) throw new Error(`no congestion control called ${congestionControl}: ${output}`)
    }
    return link
  } catch (error) {
    await link[Symbol.asyncDispose]()
    throw error
  }
}
