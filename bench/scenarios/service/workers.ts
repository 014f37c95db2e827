import { mkdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { Histogram } from '../../../src/bench/results/histogram.ts'
import type {
  CaseResult,
  Measurement,
  Metric,
  ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { runH2load } from '../../../test/support/h2load.ts'
import type { Nginx } from '../../../test/support/nginx.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { cpuMs, memory } from '../../lib/cpus.ts'
import { CLIENT_REQUESTS, startBenchOrigin } from '../../lib/forwarding.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { middlemilePeer } from '../../peers/middlemile.ts'
import { haproxyPeer, nginxPeer } from '../../peers/other-peers.ts'
import { availablePeers, type Peer } from '../../peers/peer.ts'

const PEERS = [nginxPeer, haproxyPeer, middlemilePeer]
const REFERENCES = [nginxPeer.name, haproxyPeer.name]

/** As h2load and the origin have it, too: nobody has a CPU alone. */
const NOTHING_PINNED = { subject: undefined, load: undefined, origin: undefined }

const IDLE_CLIENTS = 2_000
/** Connections that are opened at a time: a backlog holds more. */
const OPENED_AT_ONCE = 100

const METRICS: readonly Metric[] = [
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
  { key: 'addedMs', title: 'added ms at 50 %', better: 'less' },
  { key: 'p99At50Ms', title: 'p99 at 50 %', better: 'less' },
  { key: 'p99At90Ms', title: 'p99 at 90 %', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'rssMiB', title: 'RSS MiB', better: 'less' },
  { key: 'idleMiB', title: 'MiB per 1,000 idle clients', better: 'less' },
]

interface Subject {
  readonly name: string
  readonly peer: Peer
  readonly workers: number
}

/**
 * One and two workers on the same two CPUs that the load and the origin use: how much they carry, what they
 * add to a request at half of that and at nine tenths, and the memory that they take.
 */
export async function workers(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx', 'h2load')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    PEERS.map(({ name }) => name),
    settings,
  )
  const { peers, unavailable } = availablePeers(PEERS.filter(({ name }) => names.includes(name)))
  await using origin = await startBenchOrigin(NOTHING_PINNED)
  const cases: CaseResult[] = []
  for (const count of [1, 2]) {
    const rounds = new Map<string, Measurement[]>()
    for (let round = 0; round < settings.rounds; round++) {
      for (const peer of peers) {
        const measured = await measure({ name: peer.name, peer, workers: count }, origin, settings)
        rounds.set(peer.name, [...(rounds.get(peer.name) ?? []), measured])
        const { requestsPerSecond, addedMs, p99At90Ms } = measured
        settings.log(
          `  ${count} worker(s) round ${round + 1} ${peer.name}: ${formatNumber(requestsPerSecond)} req/s, ${formatNumber(addedMs)} ms added, p99 at 90 % ${formatNumber(p99At90Ms)} ms`,
        )
      }
    }
    const name = count === 1 ? '1 worker' : `${count} workers`
    cases.push(
      summarizeCase(name, rounds, ['requestsPerSecond', 'cpuMsPerRequest', 'p99At90Ms'], () => REFERENCES),
    )
  }
  return {
    scenario: 'workers',
    description: `1 KB, ${CLIENT_REQUESTS} keepalive clients (h2load with HTTP/1.1), nginx origin over TLS 1.3; 50 and 90 % of what the subject itself carries, then ${IDLE_CLIENTS} idle clients`,
    metrics: METRICS,
    cases,
    unavailable,
    limits: [
      'load, subject and origin share the CPUs: what a subject saves, the others have, and req/s are those of all three together',
      'a latency counts from when h2load sent the request, not from when it was due',
    ],
  }
}

async function measure(
  { name, peer, workers }: Subject,
  origin: Nginx,
  { seconds, warmUpSeconds, isQuick }: BenchSettings,
): Promise<Measurement> {
  using directory = makeTemporaryDirectory('workers')
  const own = join(directory.path, name)
  mkdirSync(own)
  const port = await freePort()
  const running = await peer.start({
    directory: own,
    port,
    ingress: 'http/1.1',
    cpu: undefined,
    workers,
    origin: { port: origin.tlsPort, serverName: 'localhost', caFile: origin.certificates.caFile },
  })
  try {
    const url = `http://127.0.0.1:${port}/1k`
    const logFile = join(directory.path, 'log')
    if (!isQuick) await send(url, undefined, warmUpSeconds, logFile)
    const cpuBefore = cpuMs(running.pid)
    const most = await send(url, undefined, seconds, logFile)
    const cpuMsPerRequest = (cpuMs(running.pid) - cpuBefore) / most.requests
    const half = await send(url, most.requestsPerSecond * 0.5, seconds, logFile)
    const nearly = await send(url, most.requestsPerSecond * 0.9, seconds, logFile)
    const direct = await send(
      `https://127.0.0.1:${origin.tlsPort}/1k`,
      most.requestsPerSecond * 0.5,
      seconds,
      logFile,
    )
    const { rssMiB } = memory(running.pid)
    const idleMiB = await memoryOfIdleClients(running.pid, port)
    return {
      requestsPerSecond: most.requestsPerSecond,
      cpuMsPerRequest,
      addedMs: half.latencies.quantile(0.5) - direct.latencies.quantile(0.5),
      p99At50Ms: half.latencies.quantile(0.99),
      p99At90Ms: nearly.latencies.quantile(0.99),
      failures: most.failures + half.failures + nearly.failures,
      rssMiB,
      idleMiB,
      requests: most.requests,
    }
  } finally {
    await running.stop()
  }
}

interface Sent {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly failures: number
  readonly latencies: Histogram
}

/** `perSecond` undefined: as fast as they are answered. */
async function send(
  url: string,
  perSecond: number | undefined,
  seconds: number,
  logFile: string,
): Promise<Sent> {
  const { requests, seconds: measured } = await runH2load({
    url,
    http1: true,
    clients: CLIENT_REQUESTS,
    // Whole seconds only.
    seconds: Math.ceil(seconds),
    logFile,
    // Whole requests only: at the rates of this scenario a hundredth of them.
    ...(perSecond !== undefined && { requestsPerSecond: Math.round(perSecond / CLIENT_REQUESTS) }),
  })
  const latencies = new Histogram()
  for (const line of readFileSync(logFile, 'latin1').trimEnd().split('\n')) {
    const [, , took] = line.split('\t')
    if (Number(took) > 0) latencies.record(Number(took) / 1_000)
  }
  return {
    requests: requests.succeeded,
    requestsPerSecond: requests.succeeded / measured,
    failures: requests.failed,
    latencies,
  }
}

/** What clients cost that have had one answer and keep their connections. */
async function memoryOfIdleClients(pid: number, port: number): Promise<number> {
  const before = memory(pid).rssMiB
  const clients: Socket[] = []
  try {
    while (clients.length < IDLE_CLIENTS) {
      const opened = await Promise.all(Array.from({ length: OPENED_AT_ONCE }, () => oneAnswer(port)))
      clients.push(...opened)
    }
    await sleep(500)
    return ((memory(pid).rssMiB - before) * 1_000) / IDLE_CLIENTS
  } finally {
    for (const client of clients) client.destroy()
  }
}

function oneAnswer(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    )
    socket.once('data', chunk => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 200')) resolve(socket.resume())
      else reject(new Error(`an idle client got ${chunk.toString('latin1', 0, 40)}`))
    })
    socket.once('error', reject)
  })
}
