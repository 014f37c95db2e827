import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { Histogram } from '../../../src/bench/results/histogram.ts'
import {
  type Aim,
  judgeAims,
  type Measurement,
  type Metric,
  type ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { type LoadBalancer, OURS, PEERS } from '../../endpoints/balancers.ts'
import { DELAY_MS, ENDPOINTS, SLOW_DELAY_MS, startEndpointServers } from '../../endpoints/endpoint-servers.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'

/** The seconds of a measurement are this many times those of the command line. */
const STRETCH = 3
const PER_SECOND = 500
/** Connections of the client: enough for all requests that are under way. */
const CLIENTS = 256

const METRICS: readonly Metric[] = [
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p99Ms', title: 'p99 ms', better: 'less' },
  { key: 'p999Ms', title: 'p99.9 ms', better: 'less' },
  { key: 'mostMs', title: 'slowest ms', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'slowShare', title: 'share of the slow one', better: 'less' },
  { key: 'requests', title: 'requests' },
]

/**
 * An origin of eight endpoints: one is ten times as slow as the others, and one dies after a third of the
 * time. Who keeps its requests away from both?
 */
export async function endpoints(settings: BenchSettings): Promise<ScenarioResult> {
  const all = [...PEERS, ...OURS]
  const names = chooseSubjects(
    all.map(({ name }) => name),
    settings,
  )
  const unavailable: { subject: string; because: string }[] = []
  const rounds = new Map<string, Measurement[]>()
  const seconds = settings.isQuick ? settings.seconds : settings.seconds * STRETCH
  using directory = makeTemporaryDirectory('endpoints')
  for (let round = 0; round < settings.rounds; round++) {
    for (const balancer of all.filter(({ name }) => names.includes(name))) {
      const because = balancer.unavailable()
      if (because !== undefined) {
        if (round === 0) unavailable.push({ subject: balancer.name, because })
        continue
      }
      const within = join(directory.path, `${round}-${balancer.name.replaceAll(/\W/g, '-')}`)
      mkdirSync(within)
      const warmUp = arrivals(settings.warmUpSeconds, settings.seed)
      const measured = await measure(balancer, within, warmUp, arrivals(seconds, settings.seed + round))
      rounds.set(balancer.name, [...(rounds.get(balancer.name) ?? []), measured])
      const { p50Ms = 0, p99Ms = 0, p999Ms = 0, failures } = measured
      settings.log(
        `  round ${round + 1} ${balancer.name}: p50 ${formatNumber(p50Ms)}, p99 ${formatNumber(p99Ms)}, p99.9 ${formatNumber(p999Ms)} ms, ${failures} failed`,
      )
    }
  }
  const references = PEERS.map(({ name }) => name)
  const result = summarizeCase('one slow, one dies', rounds, ['p999Ms', 'failures'], subject =>
    references.includes(subject) ? [] : references,
  )
  return {
    scenario: 'endpoints',
    description: `${PER_SECOND} GETs a second, at random moments, to an origin of ${ENDPOINTS} endpoints: a round trip takes ${2 * DELAY_MS} ms to seven of them and ${2 * SLOW_DELAY_MS} ms to one; another one dies after a third of the time`,
    metrics: METRICS,
    cases: [{ ...result, aims: judgeAims(result, aims(references)) }],
    unavailable,
    limits: ['the slow endpoint is slow on the path: its connections take as much longer as its answers'],
  }
}

function aims(references: readonly string[]): Aim[] {
  const subject = OURS.at(-1)?.name ?? ''
  return [
    { subject, metric: 'failures', atMost: 0 },
    ...references.map(to => ({ subject, metric: 'p999Ms', to, atMost: 1 })),
  ]
}

/** In ms: Poisson. */
function arrivals(seconds: number, seed: number): readonly number[] {
  const random = seededRandom(seed)
  const list: number[] = []
  for (let at = 0; at < seconds * 1_000; at += (-Math.log(1 - random()) * 1_000) / PER_SECOND) list.push(at)
  return list
}

async function measure(
  balancer: LoadBalancer,
  directory: string,
  warmUp: readonly number[],
  list: readonly number[],
): Promise<Measurement> {
  await using servers = await startEndpointServers({ hasSlow: true })
  const { port, server } = await balancer.start(directory, servers.ports)
  const agent = new Agent({ connections: CLIENTS, keepAliveTimeout: 300_000 })
  try {
    await sendAll(warmUp, () => succeeds(agent, port))
    const slowBefore = await servers.slowRequests()
    const latencies = new Histogram()
    let failures = 0
    let mostMs = 0
    const dies = (list.at(-1) ?? 0) / 3
    let killing: Promise<void> | undefined
    const get = async (at: number): Promise<void> => {
      if (at >= dies) killing ??= servers.killOne()
      const begunAt = performance.now()
      const isGood = await succeeds(agent, port)
      const ms = performance.now() - begunAt
      if (isGood) latencies.record(ms)
      else failures++
      mostMs = Math.max(mostMs, ms)
    }
    await sendAll(list, get)
    await killing
    return {
      p50Ms: latencies.quantile(0.5),
      p99Ms: latencies.quantile(0.99),
      p999Ms: latencies.quantile(0.999),
      mostMs,
      failures,
      slowShare: ((await servers.slowRequests()) - slowBefore) / list.length,
      requests: list.length,
    }
  } finally {
    await agent.destroy()
    await server.stop('SIGKILL')
  }
}

/** Each at its time, whatever became of those before. */
async function sendAll(list: readonly number[], send: (at: number) => Promise<unknown>): Promise<void> {
  const startedAt = performance.now()
  const underWay: Promise<unknown>[] = []
  for (const at of list) {
    const wait = startedAt + at - performance.now()
    if (wait > 1) await sleep(wait)
    underWay.push(send(at))
  }
  await Promise.all(underWay)
}

async function succeeds(dispatcher: Agent, port: number): Promise<boolean> {
  try {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { dispatcher })
    await body.dump()
    return statusCode === 200
  } catch {
    return false
  }
}
