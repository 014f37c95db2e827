import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BODY_BYTES, type BodyName } from '../../test/support/body-files.ts'
import { curl } from '../../test/support/curl.ts'
import type { Nginx } from '../../test/support/nginx.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'
import { runWrk, wrkFailures } from '../../test/support/wrk.ts'
import { startBenchOrigin } from '../lib/bench-origin.ts'
import { type CpuPlan, planCpus } from '../lib/cpus.ts'
import { cpuMs, memory } from '../lib/process-meter.ts'
import { type Measurement, runRounds } from '../lib/rounds.ts'
import {
  type BenchSettings,
  type CaseResult,
  chooseSubjects,
  type Metric,
  type ScenarioResult,
  summarizeCase,
} from '../lib/scenario.ts'
import { formatNumber } from '../lib/table.ts'
import { haproxyPeer } from '../peers/haproxy.ts'
import { middlemilePeer } from '../peers/middlemile.ts'
import { nginxPeer } from '../peers/nginx.ts'
import { nodeUndiciPeer } from '../peers/node-undici.ts'
import type { Peer, RunningPeer } from '../peers/peer.ts'

const PEERS: readonly Peer[] = [nginxPeer, haproxyPeer, nodeUndiciPeer, middlemilePeer]

const CLIENT_CONNECTIONS = 64

const METRICS: readonly Metric[] = [
  { key: 'cpuMsPerRequest', title: 'CPU ms/req' },
  { key: 'requestsPerSecond', title: 'req/s' },
  { key: 'p50Ms', title: 'p50 ms' },
  { key: 'p99Ms', title: 'p99 ms' },
  { key: 'rssMiB', title: 'RSS MiB' },
  { key: 'highWaterMiB', title: 'HWM MiB' },
  { key: 'cpuShare', title: 'CPU share' },
  { key: 'failures', title: 'failed' },
]

interface Subject {
  name: string
  url: string
  running: RunningPeer
}

/** CPU time per forwarded request, ours beside others', in front of the same origin. */
export async function forward(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx', 'wrk', 'curl')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    PEERS.map(peer => peer.name),
    settings,
  )
  const wanted = PEERS.filter(peer => names.includes(peer.name))
  const unavailable = wanted.flatMap(peer => {
    const because = peer.unavailable()
    return because === undefined ? [] : [{ subject: peer.name, because }]
  })
  const peers = wanted.filter(peer => peer.unavailable() === undefined)
  const cpus = planCpus()
  await using origin = await startBenchOrigin(cpus)
  const cases: CaseResult[] = []
  for (const size of settings.sizes) {
    cases.push(await measureSize(size as BodyName, peers, origin, cpus, settings)) // run.ts has checked the sizes
  }
  return {
    scenario: 'forward',
    description: `${CLIENT_CONNECTIONS} keepalive clients (wrk), one CPU per proxy, nginx origin over TLS 1.3 with HTTP/1.1`,
    metrics: METRICS,
    cases,
    unavailable,
  }
}

/** Fresh processes for each size, so that memory tells of that size alone. */
async function measureSize(
  size: BodyName,
  peers: readonly Peer[],
  origin: Nginx,
  cpus: CpuPlan,
  settings: BenchSettings,
): Promise<CaseResult> {
  using directory = makeTemporaryDirectory('bench')
  const subjects: Subject[] = []
  try {
    for (const peer of peers) subjects.push(await startPeer(peer, directory.path, origin, cpus))
    for (const subject of subjects) await checkBody(subject, size)
    const measurements = await runRounds<Subject>({
      subjects,
      rounds: settings.rounds,
      async warmUp({ url }) {
        await load(`${url}/${size}`, settings.warmUpSeconds, cpus)
      },
      measure: subject => measure(subject, size, cpus, settings.seconds),
      onMeasured({ name }, round, measurement) {
        const { cpuMsPerRequest, requestsPerSecond, failures } = measurement
        settings.log(
          `  ${size} round ${round + 1} ${name}: ${formatNumber(cpuMsPerRequest)} CPU ms/req, ${formatNumber(requestsPerSecond)} req/s, ${failures} failed`,
        )
      },
    })
    const byName = new Map([...measurements].map(([subject, rounds]) => [subject.name, rounds]))
    const references = [nginxPeer.name, nodeUndiciPeer.name]
    return summarizeCase(size, byName, 'cpuMsPerRequest', () => references)
  } finally {
    for (const { running } of subjects) await running.stop()
  }
}

async function startPeer(peer: Peer, parent: string, origin: Nginx, cpus: CpuPlan): Promise<Subject> {
  const directory = join(parent, peer.name.replaceAll(/\W/g, '-'))
  mkdirSync(directory)
  const port = await freePort()
  const running = await peer.start({
    directory,
    port,
    cpu: cpus.subject,
    origin: { port: origin.tlsPort, serverName: 'localhost', caFile: origin.certificates.caFile },
  })
  return { name: peer.name, url: `http://127.0.0.1:${port}`, running }
}

/** A proxy that answers quickly with something else must not win. */
async function checkBody({ name, url }: Subject, size: BodyName): Promise<void> {
  const { status, bytes, message } = await curl([`${url}/${size}`], { discardBody: true })
  if (status === 200 && bytes === BODY_BYTES[size]) return
  throw new Error(`${name} does not forward /${size}: status ${status}, ${bytes} bytes ${message}`)
}

function load(url: string, seconds: number, cpus: CpuPlan): ReturnType<typeof runWrk> {
  return runWrk({ url, seconds, connections: CLIENT_CONNECTIONS, timeoutSeconds: 30, cpu: cpus.load })
}

async function measure(
  { url, running }: Subject,
  size: BodyName,
  cpus: CpuPlan,
  seconds: number,
): Promise<Measurement> {
  const cpuBefore = cpuMs(running.pid)
  const result = await load(`${url}/${size}`, seconds, cpus)
  const cpu = cpuMs(running.pid) - cpuBefore
  const { rssMiB, highWaterMiB } = memory(running.pid)
  const requests = forwardedRequests(result, BODY_BYTES[size])
  return {
    cpuMsPerRequest: cpu / requests,
    requestsPerSecond: requests / result.seconds,
    p50Ms: result.latencyMs.p50,
    p99Ms: result.latencyMs.p99,
    rssMiB,
    highWaterMiB,
    cpuShare: cpu / (result.seconds * 1000),
    failures: wrkFailures(result),
    requests,
    cpuMs: cpu,
  }
}

/**
 * wrk counts complete responses and leaves those that its end cut off to nobody. With 64 large bodies under way that is a tenth of
 * a short run, so large ones are counted by their bytes.
 */
function forwardedRequests(result: { requests: number; bytesRead: number }, bodyBytes: number): number {
  return bodyBytes < 1_000_000 ? result.requests : result.bytesRead / bodyBytes
}
