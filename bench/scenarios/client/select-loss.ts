import { setTimeout as sleep } from 'node:timers/promises'
import { formatNumber } from '../../../src/bench/report/table.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { CaseResult, Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import type { Estimate } from '../../../src/bench/results/statistics.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import type { Protocol } from '../../../src/index.ts'
import type { LossyLink } from '../../../test/support/lossy-link.ts'
import type { TimedJob, TimedReport } from '../../clients/timed-job.ts'
import { judgeAgainstBest, rankSubjects } from '../../lib/best-fixed.ts'
import { BODY_SIZES } from '../../lib/body-sizes.ts'
import { startTimedClient, type TimedClient } from '../../lib/clients/measured-client.ts'
import { planCpus } from '../../lib/cpus.ts'
import { type FarCaddy, startFarCaddy } from '../../lib/origins/far-caddy.ts'
import { type CongestionControl, requireLossyPath, startLossyPath } from '../../lib/origins/lossy-path.ts'
import { builtFile, NOT_BUILT } from '../../lib/repository.ts'
import { type BenchSettings, chooseSubjects, type Scenario } from '../../lib/scenario.ts'
import { runScoutedRounds, type ScoutedRounds } from '../../lib/scouted-rounds.ts'
import { laneCounts, timedMeasurement } from '../../lib/timed-measurement.ts'

const ROUND_TRIP_MS = 40
const AUTO = 'auto'

const SUBJECTS: Readonly<Record<string, readonly Protocol[] | undefined>> = {
  'http/1.1': ['http/1.1'],
  h2: ['h2'],
  h3: ['h3'],
  [AUTO]: undefined,
}

const LOSSES = [0, 0.01, 0.02, 0.05] as const
/** Of a quick run: whether the bench works. */
const QUICK_LOSSES = [0.02] as const

/**
 * `share` of `--seconds` is how long one run measures. Of large bodies there are fewer, and their times vary
 * more.
 */
const WORKS = [
  { size: '1k', concurrency: 5, share: 1 / 3 },
  { size: '100k', concurrency: 10, share: 1 / 2 },
] as const

const AT_MOST = 1.05
const LEARNING_REQUESTS = 50
/** In a short run of everyone, who takes this much longer than the best one is out. */
const CONTENDER = 1.5
const SCOUT_SHARE = 1 / 4
/** No run takes longer, whatever is lost. */
const DEADLINE_SECONDS = 60
/** Requests of each client before the first case, without delay and loss: Node compiles. */
const WARM_UP = { requests: 400, seconds: 2 }
const START_TIMEOUT_MS = 10_000
/** Between two runs, without loss: what was closed has its last packets delivered. */
const REST_MS = 150

const METRICS: readonly Metric[] = [
  { key: 'meanMs', title: 'mean ms', better: 'less' },
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p95Ms', title: 'p95 ms', better: 'less' },
  { key: 'requests', title: 'requests' },
  { key: 'learningMeanMs', title: 'first: mean ms', better: 'less' },
  { key: 'http1Percent', title: '% h1' },
  { key: 'h2Percent', title: '% h2' },
  { key: 'h3Percent', title: '% h3' },
  { key: 'connections', title: 'connections' },
  { key: 'failures', title: 'failed', better: 'less' },
]

interface Subject {
  readonly name: string
  readonly client: TimedClient
}

/** One cell of the grid. */
interface Cell {
  readonly title: string
  readonly loss: number
  /** Of its first round; each round adds one. All subjects of a round have the same. */
  readonly seed: number
  readonly job: Omit<TimedJob, 'protocols'>
  readonly scoutSeconds: number
}

/**
 * Does the transport that chooses for itself keep up with the best of those that are held to one protocol,
 * whatever the path loses? Which one is the best depends on the path, on the bodies and on the origin's TCP,
 * of which there is a scenario each.
 */
export function selectLoss(congestionControl: CongestionControl): Scenario {
  return async settings => {
    const missing = requireLossyPath() ?? (builtFile('index.js') === undefined ? NOT_BUILT : undefined)
    const empty: ScenarioResult = {
      scenario: congestionControl === 'cubic' ? 'select-loss' : `select-loss-${congestionControl}`,
      description: `our client and caddy (HTTP/1.1, HTTP/2, HTTP/3) in two network namespaces, ${ROUND_TRIP_MS} ms of round trip, a share of all packets lost in either direction, no limit of bandwidth; TCP with ${congestionControl} at both ends, QUIC with what caddy has; a new transport for each round, whose first ${LEARNING_REQUESTS} requests count apart`,
      metrics: METRICS,
      cases: [],
      unavailable: [],
    }
    if (missing !== undefined) return { ...empty, unavailable: [{ subject: 'all', because: missing }] }
    const names = chooseSubjects(Object.keys(SUBJECTS), settings, ['h2', 'h3', AUTO])
    const cpus = planCpus()
    await using link = await startLossyPath(0, congestionControl)
    await using origin = await startFarCaddy(link, cpus.origin)
    const { url, ca, resolve } = origin
    const subjects: Subject[] = []
    try {
      for (const name of names) {
        const client = await startTimedClient(
          { origin: url, ca, resolve },
          link.prefix('client'),
          cpus.subject,
        )
        subjects.push({ name, client })
        await warmUp({ name, client }, origin)
      }
      await link.delay(ROUND_TRIP_MS / 2)
      const cases: CaseResult[] = []
      for (const cell of cellsOf(settings)) cases.push(await measureCell(cell, subjects, link, settings))
      return { ...empty, cases }
    } finally {
      for (const { client } of subjects) await client[Symbol.asyncDispose]()
    }
  }
}

function cellsOf({ isQuick, seconds, sizes }: BenchSettings): Cell[] {
  const losses = isQuick ? QUICK_LOSSES : LOSSES
  return WORKS.filter(({ size }) => sizes.includes(size)).flatMap(({ size, concurrency, share }) =>
    losses.map(loss => ({
      title: `${size} x ${concurrency}, ${100 * loss} % loss`,
      loss,
      seed: 1000 * (1 + LOSSES.indexOf(loss)),
      job: {
        path: `/${size}`,
        bytes: BODY_SIZES[size],
        concurrency,
        learning: { requests: LEARNING_REQUESTS, seconds: DEADLINE_SECONDS },
        seconds: seconds * share,
        deadlineSeconds: DEADLINE_SECONDS,
      },
      scoutSeconds: seconds * SCOUT_SHARE,
    })),
  )
}

/**
 * Also waits for the origin, which accepts when it is ready, and refuses to measure a protocol that it does
 * not speak.
 */
async function warmUp({ name, client }: Subject, origin: FarCaddy): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    const report = await client.run({
      protocols: SUBJECTS[name],
      path: '/1k',
      bytes: BODY_SIZES['1k'],
      concurrency: 5,
      learning: WARM_UP,
      seconds: 0,
      deadlineSeconds: 5,
    })
    if (report.failures === 0) return
    if (performance.now() > deadline || origin.server.hasExited()) {
      throw new Error(`${name}: ${report.firstFailure}\n${origin.server.output()}`)
    }
    await sleep(100)
  }
}

async function measureCell(
  { title, loss, seed, job, scoutSeconds }: Cell,
  subjects: readonly Subject[],
  link: LossyLink,
  settings: BenchSettings,
): Promise<CaseResult> {
  const auto: TimedReport[] = []
  const run = async ({ name, client }: Subject, what: string, seedOfRun: number, how: Partial<TimedJob>) => {
    await link.lose(loss, seedOfRun)
    const report = await client.run({ ...job, protocols: SUBJECTS[name], ...how })
    await link.lose(0, 0)
    if (name === AUTO) auto.push(report)
    const measurement = timedMeasurement(report)
    const { meanMs, p95Ms, requests, failures } = measurement
    settings.log(
      `  ${title} ${what} ${name}: ${formatNumber(meanMs)} ms (p95 ${formatNumber(p95Ms)}), ${requests} requests, ${failures} failed`,
    )
    await sleep(REST_MS)
    return measurement
  }
  const scouted = await runScoutedRounds({
    subjects,
    isSet: ({ name }) => name === AUTO,
    scout: subject =>
      run(subject, 'scouting', seed, {
        // Those that wait for the handshake, which may have been lost and would cost a second.
        learning: { requests: job.concurrency, seconds: DEADLINE_SECONDS },
        seconds: scoutSeconds,
      }),
    metric: 'meanMs',
    factor: CONTENDER,
    rounds: settings.rounds,
    measure: (subject, round) => run(subject, `round ${round + 1}`, seed + 1 + round, {}),
  })
  return judge(title, scouted, auto)
}

function judge(
  title: string,
  { rounds, dismissed }: ScoutedRounds,
  auto: readonly TimedReport[],
): CaseResult {
  const rows = new Map<string, readonly Measurement[]>(rounds)
  for (const [name, measurement] of dismissed) rows.set(`${name} (scouting only)`, [measurement])
  const result = summarizeCase(title, rows, 'meanMs', () => [])
  const notes = rankSubjects(rounds, 'meanMs').map(
    ({ subject, estimate }) => `${subject}: mean of the rounds ${withError(estimate)} ms`,
  )
  const verdict = judgeAgainstBest(rounds, AUTO, 'meanMs', AT_MOST)
  if (verdict !== undefined) notes.push(`${AUTO} / ${verdict.aim.to}: ${withError(verdict.ratio)}`)
  notes.push(...auto.map((report, round) => `${AUTO}, round ${round + 1}: ${whatItDid(report)}`))
  const last = auto.at(-1)?.decisions.at(-1)
  if (last !== undefined) notes.push(`${AUTO}, last decision: ${last.because}`)
  return { ...result, aims: verdict === undefined ? [] : [verdict.aim], notes }
}

/** Who carried, and what was decided when. */
function whatItDid({ requests, decisions }: TimedReport): string {
  const lanes = (isLearning: boolean): string =>
    laneCounts(requests.filter(request => request.isLearning === isLearning))
  const decided = decisions.map(({ lane, rule, afterRequests }) => `${lane} (${rule}) after ${afterRequests}`)
  return `first ${LEARNING_REQUESTS}: ${lanes(true)}; then: ${lanes(false)}; decided: ${decided.join(', ') || 'nothing'}`
}

function withError({ value, plusMinus }: Estimate): string {
  return Number.isFinite(plusMinus)
    ? `${formatNumber(value)} ± ${formatNumber(plusMinus)}`
    : formatNumber(value)
}
