import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runRounds } from '../../src/bench/load/rounds.ts'
import { formatNumber } from '../../src/bench/report/table.ts'
import {
  type Aim,
  type CaseResult,
  judgeAims,
  type Measurement,
  type Metric,
} from '../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../src/bench/results/summaries.ts'
import { curl } from '../../test/support/curl.ts'
import { runH2load } from '../../test/support/h2load.ts'
import { type Nginx, startNginx } from '../../test/support/nginx.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'
import { runWrk, type WrkResult, wrkFailures } from '../../test/support/wrk.ts'
import type { Peer, RunningPeer } from '../peers/peer.ts'
import { BODY_SIZES, type BodySize, writeZeros } from './body-sizes.ts'
import { type CpuPlan, cpuMs, memory } from './cpus.ts'
import type { BenchSettings } from './scenario.ts'

/** Requests that the clients of a proxy have under way at a time. */
export const CLIENT_REQUESTS = 64
/** HTTP/2 clients share connections: an edge in front of us has a few. */
export const H2_CLIENT_CONNECTIONS = 4

export const FORWARD_METRICS: readonly Metric[] = [
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p99Ms', title: 'p99 ms', better: 'less' },
  { key: 'rssMiB', title: 'RSS MiB', better: 'less' },
  { key: 'highWaterMiB', title: 'HWM MiB', better: 'less' },
  { key: 'upstreamConnections', title: 'connections' },
  { key: 'cpuShare', title: 'CPU share' },
  { key: 'failures', title: 'failed', better: 'less' },
]

export interface ForwardCase {
  name: string
  size: BodySize
  /** What the clients speak: wrk with HTTP/1.1 on 64 connections, or h2load with HTTP/2 on a few. */
  ingress: 'http/1.1' | 'h2'
  peers: readonly Peer[]
  references: readonly string[]
  aims: readonly Aim[]
}

interface Subject {
  name: string
  url: string
  running: RunningPeer
  /** Connections that it has opened to the origin so far. */
  opened: number
}

interface Load {
  /** Without those that failed. */
  requests: number
  seconds: number
  failures: number
  p50Ms: number
  p99Ms: number
}

/** One table of a forwarding scenario. Fresh processes for each, so that memory reports that case alone. */
export async function measureForwardCase(
  forwardCase: ForwardCase,
  origin: Nginx,
  cpus: CpuPlan,
  settings: BenchSettings,
): Promise<CaseResult> {
  const { name: title, peers, references, aims } = forwardCase
  using directory = makeTemporaryDirectory('bench')
  const subjects: Subject[] = []
  try {
    for (const peer of peers) subjects.push(await startPeer(peer, forwardCase, directory.path, origin, cpus))
    for (const subject of subjects) await countOpened(subject, origin, () => checkBody(subject, forwardCase))
    const measurements = await runRounds<Subject>({
      subjects,
      rounds: settings.rounds,
      async warmUp(subject) {
        if (!settings.isQuick) await measure(subject, forwardCase, origin, cpus, settings.warmUpSeconds)
      },
      measure: subject => measure(subject, forwardCase, origin, cpus, settings.seconds),
      onMeasured({ name }, round, measurement) {
        const { cpuMsPerRequest, requestsPerSecond, failures } = measurement
        settings.log(
          `  ${title} round ${round + 1} ${name}: ${formatNumber(cpuMsPerRequest)} CPU ms/req, ${formatNumber(requestsPerSecond)} req/s, ${failures} failed`,
        )
      },
    })
    const byName = new Map([...measurements].map(([subject, rounds]) => [subject.name, rounds]))
    const result = summarizeCase(title, byName, 'cpuMsPerRequest', () => references)
    return aims.length === 0 ? result : { ...result, aims: judgeAims(result, aims) }
  } finally {
    for (const { running } of subjects) await running.stop()
  }
}

async function startPeer(
  peer: Peer,
  { ingress }: ForwardCase,
  parent: string,
  origin: Nginx,
  cpus: CpuPlan,
): Promise<Subject> {
  const directory = join(parent, peer.name.replaceAll(/\W/g, '-'))
  mkdirSync(directory)
  const port = await freePort()
  const running = await peer.start({
    directory,
    port,
    ingress,
    cpu: cpus.subject,
    origin: { port: origin.tlsPort, serverName: 'localhost', caFile: origin.certificates.caFile },
  })
  return { name: peer.name, url: `http://127.0.0.1:${port}`, running, opened: 0 }
}

/** A proxy that answers quickly with something else must not win. */
async function checkBody({ name, url }: Subject, { size, ingress }: ForwardCase): Promise<void> {
  const version = ingress === 'h2' ? '--http2-prior-knowledge' : '--http1.1'
  const { status, bytes, message } = await curl([version, `${url}/${size}`], { discardBody: true })
  if (status === 200 && bytes === BODY_SIZES[size]) return
  throw new Error(`${name} does not forward /${size}: status ${status}, ${bytes} bytes ${message}`)
}

async function measure(
  subject: Subject,
  forwardCase: ForwardCase,
  origin: Nginx,
  cpus: CpuPlan,
  seconds: number,
): Promise<Measurement> {
  const { url, running } = subject
  const { cpu, requests, measuredSeconds, result } = await countOpened(subject, origin, async () => {
    const cpuBefore = cpuMs(running.pid)
    const { requests, seconds: measuredSeconds, ...result } = await load(url, forwardCase, seconds, cpus)
    return { cpu: cpuMs(running.pid) - cpuBefore, requests, measuredSeconds, result }
  })
  const { rssMiB, highWaterMiB } = memory(running.pid)
  return {
    cpuMsPerRequest: cpu / requests,
    requestsPerSecond: requests / measuredSeconds,
    ...result,
    rssMiB,
    highWaterMiB,
    upstreamConnections: subject.opened,
    cpuShare: cpu / (measuredSeconds * 1000),
    requests,
    cpuMs: cpu,
  }
}

/** Does what makes this subject work, and this one alone. What the origin accepts meanwhile is its own. */
async function countOpened<T>(subject: Subject, origin: Nginx, work: () => Promise<T>): Promise<T> {
  const before = await origin.counters()
  const result = await work()
  const after = await origin.counters()
  subject.opened += after.connections - before.connections
  return result
}

async function load(
  url: string,
  { size, ingress }: ForwardCase,
  seconds: number,
  cpus: CpuPlan,
): Promise<Load> {
  if (ingress === 'h2') {
    const { requests, seconds: measured } = await runH2load({
      url: `${url}/${size}`,
      clients: H2_CLIENT_CONNECTIONS,
      streams: CLIENT_REQUESTS / H2_CLIENT_CONNECTIONS,
      // Whole seconds only.
      seconds: Math.ceil(seconds),
      cpu: cpus.load,
    })
    // It prints a mean latency and no percentiles.
    return {
      requests: requests.succeeded,
      seconds: measured,
      failures: requests.failed,
      p50Ms: Number.NaN,
      p99Ms: Number.NaN,
    }
  }
  const result = await runWrk({
    url: `${url}/${size}`,
    // Whole seconds only.
    seconds: Math.ceil(seconds),
    connections: CLIENT_REQUESTS,
    timeoutSeconds: 30,
    cpu: cpus.load,
  })
  return {
    requests: forwardedRequests(result, BODY_SIZES[size]),
    seconds: result.seconds,
    failures: wrkFailures(result),
    p50Ms: result.latencyMs.p50,
    p99Ms: result.latencyMs.p99,
  }
}

/**
 * wrk counts complete responses, whatever their status, and leaves those that its end cut off to nobody. With
 * 64 large bodies under way that is a tenth of a short run, so large ones are counted by their bytes; next to
 * them the body of an error is nothing.
 */
export function forwardedRequests(
  { requests, badStatus, bytesRead }: Pick<WrkResult, 'requests' | 'badStatus' | 'bytesRead'>,
  bodyBytes: number,
): number {
  return bodyBytes < 1_000_000 ? requests - badStatus : bytesRead / bodyBytes
}

export interface BenchOriginOptions {
  /** Offers HTTP/2 beside HTTP/1.1 on the TLS port; ALPN decides. Default false. */
  http2?: boolean
}

/** The origin of every scenario: nginx, TLS 1.3 only, connections that live as long as the run. */
export async function startBenchOrigin(cpus: CpuPlan, options: BenchOriginOptions = {}): Promise<Nginx> {
  const origin = await startNginx({
    tlsProtocols: ['TLSv1.3'],
    http2: options.http2 ?? false,
    keepaliveRequests: 1_000_000_000,
    keepaliveTimeout: '600s',
    cpu: cpus.origin,
  })
  writeZeros(join(origin.directory, 'www', '200m'), BODY_SIZES['200m'])
  return origin
}
