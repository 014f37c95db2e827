import { setTimeout as sleep } from 'node:timers/promises'
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
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import {
  DELAY_MS,
  ORIGIN_NAMES,
  ORIGINS,
  type OriginName,
  type OriginServers,
  startOriginServers,
} from '../../many-origins/origin-servers.ts'
import { OURS, PEERS, type Reacher, type RunningReacher, startReacher } from '../../many-origins/proxies.ts'

/** The seconds of a measurement are this many times those of the command line: idle times are long. */
const STRETCH = 20
const BUSY_PER_SECOND = 40
const BUSY_SECONDS = { least: 3, most: 12 } as const
const LULL_SECONDS = { least: 2, most: 20 } as const
/** One round trip on an open connection, three on a new one: a slower request was cold. */
const COLD_MS = 2 * DELAY_MS * 1.75
/** How often the open connections are counted. */
const SAMPLE_MS = 500

const METRICS: readonly Metric[] = [
  { key: 'opened', title: 'opened', better: 'less' },
  { key: 'held', title: 'held', better: 'less' },
  { key: 'reuse', title: 'reuse', better: 'more' },
  { key: 'cold', title: 'cold', better: 'less' },
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p99Ms', title: 'p99 ms', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'requests', title: 'requests' },
]

interface Subject {
  readonly name: string
  readonly origins: OriginServers
  readonly running: RunningReacher
}

interface Arrival {
  readonly atMs: number
  readonly origin: OriginName
}

/**
 * Few requests to many origins that share addresses: who opens how many connections, holds how many, and
 * lets whom wait for one? All subjects get the same requests at the same time, each to origins of its own.
 */
export async function manyOrigins(settings: BenchSettings): Promise<ScenarioResult> {
  const names = chooseSubjects(
    [...PEERS, ...OURS].map(({ name }) => name),
    settings,
  )
  const unavailable: { subject: string; because: string }[] = []
  using directory = makeTemporaryDirectory('many-origins')
  const subjects: Subject[] = []
  const rounds = new Map<string, Measurement[]>()
  try {
    for (const reacher of [...PEERS, ...OURS]) {
      if (!names.includes(reacher.name)) continue
      const because = reacher.unavailable()
      if (because === undefined) subjects.push(await startSubject(reacher, directory.path))
      else unavailable.push({ subject: reacher.name, because })
    }
    const seconds = settings.isQuick ? settings.seconds : settings.seconds * STRETCH
    if (!settings.isQuick) await measureAll(subjects, arrivals(seconds, settings.seed))
    for (let round = 0; round < settings.rounds; round++) {
      const measured = await measureAll(subjects, arrivals(seconds, settings.seed + round + 1))
      for (const [name, measurement] of measured) {
        rounds.set(name, [...(rounds.get(name) ?? []), measurement])
        const { opened = 0, held = 0, cold = 0, requests = 0 } = measurement
        settings.log(
          `  round ${round + 1} ${name}: ${opened} opened, ${formatNumber(held)} held, ${cold} of ${requests} cold`,
        )
      }
    }
  } finally {
    for (const { running, origins } of subjects) {
      await running.stop()
      await origins[Symbol.asyncDispose]()
    }
  }
  const references = PEERS.map(({ name }) => name)
  const result = summarizeCase(`${ORIGINS} origins`, rounds, ['opened', 'p99Ms'], subject =>
    references.includes(subject) ? [] : references,
  )
  return {
    scenario: 'many-origins',
    description: `GETs to ${ORIGINS} origins on 5 addresses, some popular and most hardly asked (Zipf), in bursts of ${BUSY_PER_SECOND} a second with lulls between them; the addresses keep idle connections for 5, 10, 20, 40 and 75 s; a round trip takes ${2 * DELAY_MS} ms`,
    metrics: METRICS,
    cases: [{ ...result, aims: judgeAims(result, aims(references)) }],
    unavailable,
    limits: [
      'opened and held are what nginx, the origin, has accepted and has open',
      'undici is called without a proxy in front of it, so that its latency has one hop less',
    ],
  }
}

function aims(references: readonly string[]): Aim[] {
  const [, subject = ''] = OURS.map(({ name }) => name)
  return [
    { subject, metric: 'reuse', atLeast: 0.995 },
    ...references.map(to => ({ subject, metric: 'opened', to, atMost: 0.7 })),
    ...references.map(to => ({ subject, metric: 'p99Ms', to, atMost: 1 })),
  ]
}

async function startSubject(reacher: Reacher, directory: string): Promise<Subject> {
  const origins = await startOriginServers()
  try {
    return { name: reacher.name, origins, running: await startReacher(reacher, directory, origins) }
  } catch (error) {
    await origins[Symbol.asyncDispose]()
    throw error
  }
}

/** Poisson arrivals in busy times between lulls; the n-th origin is asked for 1/n as often as the first. */
function arrivals(seconds: number, seed: number): readonly Arrival[] {
  const random = seededRandom(seed)
  const between = ({ least, most }: { least: number; most: number }): number =>
    (least + random() * (most - least)) * 1_000
  const weights = ORIGIN_NAMES.map((_, i) => 1 / (i + 1))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const draw = (): OriginName => {
    let left = random() * total
    const found = ORIGIN_NAMES.find((_, i) => (left -= weights[i] ?? 0) < 0)
    return found ?? (ORIGIN_NAMES[0] as OriginName) // there are fifty
  }
  const list: Arrival[] = []
  for (let nowMs = 0; nowMs < seconds * 1_000; nowMs += between(LULL_SECONDS)) {
    const busyUntil = Math.min(nowMs + between(BUSY_SECONDS), seconds * 1_000)
    for (; nowMs < busyUntil; nowMs += (-Math.log(1 - random()) * 1_000) / BUSY_PER_SECOND) {
      list.push({ atMs: nowMs, origin: draw() })
    }
  }
  return list
}

async function measureAll(
  subjects: readonly Subject[],
  list: readonly Arrival[],
): Promise<ReadonlyMap<string, Measurement>> {
  const measured = new Map<string, Measurement>()
  await Promise.all(
    subjects.map(async subject => {
      measured.set(subject.name, await measure(subject, list))
    }),
  )
  return measured
}

async function measure({ running, origins }: Subject, list: readonly Arrival[]): Promise<Measurement> {
  const before = await origins.counters()
  const latencies = new Histogram()
  let failures = 0
  let cold = 0
  const startedAt = performance.now()
  const get = async (origin: OriginName): Promise<void> => {
    const begunAt = performance.now()
    try {
      await running.get(origin)
      const ms = performance.now() - begunAt
      latencies.record(ms)
      if (ms > COLD_MS) cold++
    } catch {
      failures++
    }
  }
  const held: number[] = []
  let isOver = false
  const sampling = (async () => {
    for (; !isOver; await sleep(SAMPLE_MS)) held.push((await origins.counters()).active)
  })()
  const under: Promise<void>[] = []
  for (const { atMs, origin } of list) {
    const wait = startedAt + atMs - performance.now()
    if (wait > 1) await sleep(wait)
    under.push(get(origin))
  }
  await Promise.all(under)
  isOver = true
  await sampling
  const opened = (await origins.counters()).connections - before.connections
  return {
    opened,
    held: held.reduce((sum, active) => sum + active, 0) / held.length,
    reuse: 1 - opened / list.length,
    cold,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    failures,
    requests: list.length,
  }
}
