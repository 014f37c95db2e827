import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import {
  judgeAims,
  type Measurement,
  type Metric,
  type ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { runKeepAliveLoad } from '../../../test/support/keep-alive-load.ts'
import { startNginx } from '../../../test/support/nginx.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { planCpus } from '../../lib/cpus.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { middlemilePeer } from '../../peers/middlemile.ts'
import { haproxyPeer, nginxPeer } from '../../peers/other-peers.ts'
import { availablePeers, type Peer, type RunningPeer } from '../../peers/peer.ts'

const CLIENTS = 128
const KEEP_ALIVE_MS = 50
/**
 * On both sides of what the origin bears: a client's pause, and by it that of a connection of the proxy's, is
 * drawn from 0 to this.
 */
const MAX_PAUSE_MS = 100
const REQUESTS = 30_000
const QUICK_REQUESTS = 3_000
/** A proxy that others have to share its CPU with is late, which is what the origin's close is missed by. */
const PEERS: readonly Peer[] = [nginxPeer, haproxyPeer, middlemilePeer]

const METRICS: readonly Metric[] = [
  { key: 'failedPerMille', title: 'failed ‰', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'refused', title: 'refused', better: 'less' },
  { key: 'requests', title: 'requests' },
  { key: 'upstreamConnections', title: 'connections' },
]

interface Subject {
  readonly name: string
  readonly port: number
  readonly running: RunningPeer
}

/**
 * POSTs through proxies to an origin that closes idle connections all the time: how many meet one that is
 * closed already?
 */
export async function stalePosts(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    PEERS.map(({ name }) => name),
    settings,
  )
  const { peers, unavailable } = availablePeers(PEERS.filter(({ name }) => names.includes(name)))
  const { subject: cpu } = planCpus()
  await using origin = await startNginx({ keepaliveTimeout: `${KEEP_ALIVE_MS}ms`, cpu })
  using directory = makeTemporaryDirectory('bench')
  const requests = settings.isQuick ? QUICK_REQUESTS : REQUESTS
  const subjects: Subject[] = []
  const measure = async ({ port }: Subject, round: number, count: number): Promise<Measurement> => {
    const random = seededRandom(settings.seed + round)
    const before = await origin.counters()
    const { statuses, failures } = await runKeepAliveLoad({
      port,
      request: 'POST /sink HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\npay',
      requests: count,
      connections: CLIENTS,
      pauseMs: () => random() * MAX_PAUSE_MS,
      body: Buffer.from('ok\n'),
    })
    const after = await origin.counters()
    // Who is refused for an overload has met no connection.
    const refused = statuses[503] ?? 0
    const failed = count - (statuses[200] ?? 0) - refused
    if (failures.length > 0) settings.log(`  ${failures.length} clients were cut off: ${failures[0]}`)
    return {
      failedPerMille: (1000 * failed) / count,
      failures: failed,
      refused,
      requests: count,
      upstreamConnections: after.connections - before.connections,
    }
  }
  try {
    for (const peer of peers) {
      const own = join(directory.path, peer.name)
      mkdirSync(own)
      const port = await freePort()
      const target = {
        port: origin.tlsPort,
        serverName: 'localhost',
        caFile: origin.certificates.caFile,
      }
      const running = await peer.start({ directory: own, port, ingress: 'http/1.1', cpu, origin: target })
      subjects.push({ name: peer.name, port, running })
    }
    const measurements = await runRounds<Subject>({
      subjects,
      rounds: settings.rounds,
      warmUp: async subject => void (await measure(subject, -1, QUICK_REQUESTS)),
      measure: (subject, round) => measure(subject, round, requests),
      onMeasured({ name }, round, { failedPerMille, failures, refused }) {
        settings.log(
          `  round ${round + 1} ${name}: ${failures} of ${requests} failed (${formatNumber(failedPerMille)} ‰), ${refused} refused`,
        )
      },
    })
    const byName = new Map([...measurements].map(([{ name }, rounds]) => [name, rounds]))
    const result = summarizeCase('POST of 3 bytes', byName, 'failedPerMille', () => [nginxPeer.name])
    const aim = { subject: middlemilePeer.name, metric: 'failedPerMille', to: nginxPeer.name, atMost: 1 }
    return {
      scenario: 'stale-posts',
      description: `POSTs of ${CLIENTS} keepalive clients, each after a pause of up to ${MAX_PAUSE_MS} ms, through proxies that share one CPU with an nginx origin over TLS 1.3 that closes connections idle for ${KEEP_ALIVE_MS} ms`,
      metrics: METRICS,
      cases: [{ ...result, aims: judgeAims(result, [aim]) }],
      unavailable,
      limits: ['a close that is on its way while a request leaves meets every proxy: no look can see it'],
    }
  } finally {
    for (const { running } of subjects) await running.stop()
  }
}
