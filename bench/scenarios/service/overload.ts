import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { Histogram } from '../../../src/bench/results/histogram.ts'
import type {
  CaseResult,
  Measurement,
  Metric,
  ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { type CertificateFiles, writeCertificateFiles } from '../../../test/support/certificate-files.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { cpuMs, planCpus } from '../../lib/cpus.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { middlemilePeer } from '../../peers/middlemile.ts'
import { haproxyPeer, nginxPeer } from '../../peers/other-peers.ts'
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

interface OpenRequests {
  readonly served: Histogram
  /** Answers with a status of 400 and above, and failures. */
  readonly refused: Histogram
  /** All of them, those of the warm-up included. */
  readonly begun: number
}

/** More than are ever under way: nobody who comes waits for a connection of ours. */
const CONNECTIONS = 4_096

/**
 * GETs that begin at a rate, whatever became of those before. A latency counts from when a request was due,
 * so that a client that is late hides nothing. What ended in the first `warmUpSeconds`, or after the last
 * second, is in no figure.
 */
async function openRequests(
  url: string,
  { perSecond, seconds, warmUpSeconds }: { perSecond: number; seconds: number; warmUpSeconds: number },
): Promise<OpenRequests> {
  const agent = new Agent({ connections: CONNECTIONS, headersTimeout: 30_000 })
  const result = { served: new Histogram(), refused: new Histogram() }
  const startedAt = performance.now()
  const get = async (dueMs: number): Promise<void> => {
    let isServed = false
    try {
      const { statusCode, body } = await request(url, { dispatcher: agent })
      await body.dump()
      isServed = statusCode < 400
    } catch {
      // Counted below.
    }
    const endedMs = performance.now() - startedAt
    if (endedMs >= warmUpSeconds * 1_000 && endedMs < (warmUpSeconds + seconds) * 1_000)
      (isServed ? result.served : result.refused).record(endedMs - dueMs)
  }
  const open: Promise<void>[] = []
  const count = Math.ceil(perSecond * (warmUpSeconds + seconds))
  for (let begun = 0; begun < count; ) {
    const elapsedMs = performance.now() - startedAt
    for (; begun < count && (begun * 1_000) / perSecond <= elapsedMs; begun++) {
      open.push(get((begun * 1_000) / perSecond))
    }
    await sleep(1)
  }
  await Promise.all(open)
  await agent.destroy()
  return { ...result, begun: count }
}

interface BoundedOrigin extends AsyncDisposable {
  readonly port: number
}

/** Serves so many requests at a time over TLS, each for so long; the others wait in it. */
async function startBoundedOrigin(
  slots: number,
  serviceMs: number,
  { certFile, keyFile }: CertificateFiles,
): Promise<BoundedOrigin> {
  const waiting = new Set<ServerResponse>()
  let busy = 0
  const serve = (response: ServerResponse): void => {
    busy++
    setTimeout(() => {
      busy--
      response.end('done')
      for (const next of waiting) {
        waiting.delete(next)
        serve(next)
        return
      }
    }, serviceMs)
  }
  const identity = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  const server = createServer({ ...identity, keepAliveTimeout: 300_000 }, (_request, response) => {
    response.once('close', () => waiting.delete(response))
    if (busy < slots) serve(response)
    else waiting.add(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // listening on a port, not on a path
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
