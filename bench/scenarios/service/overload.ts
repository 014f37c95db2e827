import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { CaseResult, Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import { writeCertificateFiles } from '../../../test/support/certificate-files.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { openRequests } from '../../lib/clients/open-requests.ts'
import { planCpus } from '../../lib/cpus.ts'
import { startBoundedOrigin } from '../../lib/origins/bounded-origin.ts'
import { cpuMs } from '../../lib/process-meter.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { haproxyPeer } from '../../peers/haproxy.ts'
import { middlemilePeer } from '../../peers/middlemile.ts'
import { nginxPeer } from '../../peers/nginx.ts'
import { availablePeers, type RunningPeer, UPSTREAM_CONNECTIONS } from '../../peers/peer.ts'

const PEERS = [nginxPeer, haproxyPeer, middlemilePeer]
const REFERENCES = [nginxPeer.name, haproxyPeer.name]

/**
 * 160 requests a second: what overloads it leaves the processors free, so that nothing but the policy is
 * measured.
 */
const SERVICE_MS = 400
const CAPACITY_PER_SECOND = (UPSTREAM_CONNECTIONS * 1_000) / SERVICE_MS

/** Until the queues are as long as they get. */
const WARM_UP_SECONDS = 5

const LOADS = { '1x': 0.9, '3x': 3 } as const

const METRICS: readonly Metric[] = [
  { key: 'goodput', title: 'goodput / capacity', better: 'more' },
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p99Ms', title: 'p99 ms', better: 'less' },
  { key: 'refusedPerSecond', title: 'refused/s' },
  { key: 'refusedP50Ms', title: 'refused p50 ms', better: 'less' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
]

interface Subject extends RunningPeer {
  readonly name: string
  readonly url: string
}

/**
 * More requests than an origin serves, at a rate that does not care: how many are served, how late, and what
 * the others get.
 */
export async function overload(settings: BenchSettings): Promise<ScenarioResult> {
  const names = chooseSubjects(
    PEERS.map(peer => peer.name),
    settings,
  )
  const { peers, unavailable } = availablePeers(PEERS.filter(peer => names.includes(peer.name)))
  using directory = makeTemporaryDirectory('overload')
  const certificates = await writeCertificateFiles(directory.path)
  await using origin = await startBoundedOrigin(UPSTREAM_CONNECTIONS, SERVICE_MS, certificates)
  const subjects: Subject[] = []
  const cases: CaseResult[] = []
  try {
    for (const peer of peers) {
      const own = join(directory.path, peer.name)
      mkdirSync(own)
      const port = await freePort()
      const running = await peer.start({
        directory: own,
        port,
        ingress: 'http/1.1',
        cpu: planCpus().subject,
        origin: { port: origin.port, serverName: 'localhost', caFile: certificates.caFile },
      })
      subjects.push({ ...running, name: peer.name, url: `http://127.0.0.1:${port}/` })
    }
    for (const [name, times] of Object.entries(LOADS)) {
      cases.push(await measureLoad(name, times * CAPACITY_PER_SECOND, subjects, settings))
    }
  } finally {
    for (const subject of subjects) await subject.stop()
  }
  return {
    scenario: 'overload',
    description: `requests at 0.9 and 3 times the ${CAPACITY_PER_SECOND} a second that an origin serves, ${UPSTREAM_CONNECTIONS} at a time`,
    metrics: METRICS,
    cases,
    unavailable,
    limits: [
      'nginx and haproxy hold connections to the origin as their peers of `forward` do: what waits, waits in the origin',
    ],
  }
}

async function measureLoad(
  name: string,
  perSecond: number,
  subjects: readonly Subject[],
  settings: BenchSettings,
): Promise<CaseResult> {
  const rounds = await runRounds<Subject>({
    subjects,
    rounds: settings.rounds,
    warmUp: async () => {},
    measure: subject => measure(subject, perSecond, settings),
    onMeasured: ({ name: subject }, round, { goodput, p50Ms, refusedPerSecond }) => {
      const figures = `goodput ${formatNumber(goodput)}, p50 ${formatNumber(p50Ms)} ms, ${formatNumber(refusedPerSecond)} refused/s`
      settings.log(`  ${name} round ${round + 1} ${subject}: ${figures}`)
    },
  })
  const byName = new Map([...rounds].map(([subject, measured]) => [subject.name, measured]))
  return summarizeCase(name, byName, ['goodput', 'p50Ms'], () => REFERENCES)
}

async function measure(
  { url, pid }: Subject,
  perSecond: number,
  { seconds, isQuick }: BenchSettings,
): Promise<Measurement> {
  const cpuBefore = cpuMs(pid)
  const { served, refused, begun } = await openRequests(url, {
    perSecond,
    seconds,
    warmUpSeconds: isQuick ? 0 : WARM_UP_SECONDS,
  })
  return {
    goodput: served.count / seconds / CAPACITY_PER_SECOND,
    p50Ms: served.quantile(0.5),
    p99Ms: served.quantile(0.99),
    refusedPerSecond: refused.count / seconds,
    refusedP50Ms: refused.quantile(0.5),
    cpuMsPerRequest: (cpuMs(pid) - cpuBefore) / begun,
    requests: begun,
  }
}
