import type { Nginx } from '../../test/support/nginx.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import type { ClientJob } from '../clients/client-job.ts'
import { type Aim, judgeAims } from '../lib/aims.ts'
import { startBenchOrigin } from '../lib/bench-origin.ts'
import { type BodySize, chooseSizes } from '../lib/body-sizes.ts'
import { clientMeasurement } from '../lib/client-measurement.ts'
import {
  type ClientSubject,
  type StartedSubject,
  sortOutSubjects,
  startSubject,
} from '../lib/client-subjects.ts'
import { type CpuPlan, planCpus } from '../lib/cpus.ts'
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

const OURS = 'middlemile h2'

interface Work {
  size: BodySize
  concurrency: number
  /**
   * Where the origin runs. `together`: on the client's CPU, so that the two take turns and what waits for one has gathered when its turn
   * comes, as it does for a busy process. `apart`: on another CPU; over loopback the two then hand each other one or two requests at a time, and
   * the figure is that of waking a neighbor. Half of its cost can be that.
   */
  placement: 'together' | 'apart'
  /** The figure that counts. */
  metric: 'requestsPerCpuSecond' | 'megabytesPerCpuSecond'
  aims: readonly Aim[]
}

const REQUESTS = 'requestsPerCpuSecond'
const MEGABYTES = 'megabytesPerCpuSecond'
const MANY_REQUESTS: readonly Aim[] = [{ subject: OURS, metric: REQUESTS, atLeast: 200_000 }]
const MANY_BYTES: readonly Aim[] = [{ subject: OURS, metric: MEGABYTES, atLeast: 1_400 }]

const WORKS: readonly Work[] = [
  { size: '1k', concurrency: 1, placement: 'together', metric: REQUESTS, aims: [] },
  { size: '1k', concurrency: 32, placement: 'together', metric: REQUESTS, aims: [] },
  { size: '1k', concurrency: 100, placement: 'together', metric: REQUESTS, aims: MANY_REQUESTS },
  { size: '1k', concurrency: 100, placement: 'apart', metric: REQUESTS, aims: MANY_REQUESTS },
  { size: '100k', concurrency: 32, placement: 'together', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '100k', concurrency: 32, placement: 'apart', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '200m', concurrency: 1, placement: 'together', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '200m', concurrency: 1, placement: 'apart', metric: MEGABYTES, aims: MANY_BYTES },
]

/** The process counts its own CPU time by the microsecond: rounds need not be as long as where /proc counts it in ticks. */
const MAX_SECONDS = 3

/** Every one as its users would drive it at this concurrency: HTTP/1.1 on as many connections, HTTP/2 on one. */
function subjectsAt(concurrency: number): readonly ClientSubject[] {
  return [
    { name: 'node:http2', client: 'node:http2', connections: 1 },
    { name: 'undici h2', client: 'undici h2 dispatch', connections: 1 },
    { name: 'undici h1', client: 'undici dispatch', connections: concurrency },
    {
      name: 'middlemile h1',
      client: 'middlemile dispatch',
      connections: concurrency,
      protocols: ['http/1.1'],
    },
    { name: 'middlemile h2 connection', client: 'middlemile connection', connections: 1 },
    // Connections as it likes: that it takes one is part of what is measured.
    { name: OURS, client: 'middlemile dispatch', connections: 0, protocols: ['h2'] },
  ]
}

const METRICS: readonly Metric[] = [
  { key: 'requestsPerCpuSecond', title: 'req/CPU-s' },
  { key: 'megabytesPerCpuSecond', title: 'MB/CPU-s' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req' },
  { key: 'requestsPerSecond', title: 'req/s' },
  { key: 'connections', title: 'connections' },
  { key: 'rssMiB', title: 'RSS MiB' },
  { key: 'cpuShare', title: 'CPU share' },
  { key: 'failures', title: 'failed' },
]

/** What a request, and a byte, costs a client that speaks HTTP/2, beside node:http2, undici and HTTP/1.1. */
export async function clientH2(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    subjectsAt(1).map(subject => subject.name),
    settings,
  )
  const cpus = planCpus()
  await using apart = await startBenchOrigin(cpus, { http2: true })
  await using together = await startBenchOrigin({ ...cpus, origin: cpus.subject }, { http2: true })
  const wanted = subjectsAt(1).filter(({ name }) => names.includes(name))
  const { subjects, unavailable } = await sortOutSubjects(wanted, apart)
  const measurable = subjects.map(({ name }) => name)
  const cases: CaseResult[] = []
  const sizes = chooseSizes(settings.sizes, ['1k', '100k', '200m'])
  for (const work of WORKS.filter(({ size }) => sizes.includes(size))) {
    const origin = work.placement === 'together' ? together : apart
    cases.push(await measureWork(work, measurable, origin, cpus, settings))
  }
  return {
    scenario: 'client-h2',
    description:
      'GET from one nginx origin over TLS 1.3, HTTP/2 or HTTP/1.1 by ALPN, no ingress; HTTP/1.1 on as many connections as requests at a time; the origin on the CPU of the client (together) or on another one (apart)',
    metrics: METRICS,
    cases,
    unavailable,
  }
}

async function measureWork(
  work: Work,
  names: readonly string[],
  origin: Nginx,
  cpus: CpuPlan,
  settings: BenchSettings,
): Promise<CaseResult> {
  const title = `${work.size} x ${work.concurrency}, ${work.placement}`
  const started: StartedSubject[] = []
  const opened = new Map<string, number>()
  const measureOnce = async ({ name, client }: StartedSubject, job: ClientJob): Promise<Measurement> => {
    const before = await origin.counters()
    const report = await client.run(job)
    const after = await origin.counters()
    // All that this subject has opened so far: those of the warm-up are the ones that the rounds use.
    opened.set(name, (opened.get(name) ?? 0) + after.connections - before.connections)
    return { ...clientMeasurement(report), connections: opened.get(name) ?? 0 }
  }
  try {
    for (const subject of subjectsAt(work.concurrency)) {
      if (!names.includes(subject.name)) continue
      started.push(await startSubject(subject, origin, origin.tlsPort, cpus.subject))
    }
    const measurements = await runRounds<StartedSubject>({
      subjects: started,
      rounds: settings.rounds,
      async warmUp(subject) {
        await measureOnce(subject, jobFor(work, Math.min(settings.warmUpSeconds, MAX_SECONDS), 0))
      },
      measure: subject => measureOnce(subject, jobFor(work, Math.min(settings.seconds, MAX_SECONDS), 0.2)),
      onMeasured({ name }, round, measurement) {
        settings.log(
          `  ${title} round ${round + 1} ${name}: ${formatNumber(measurement['requestsPerCpuSecond'])} req/CPU-s, ${formatNumber(measurement['megabytesPerCpuSecond'])} MB/CPU-s, ${measurement['failures']} failed`,
        )
      },
    })
    const byName = new Map([...measurements].map(([{ name }, rounds]) => [name, rounds]))
    const result = summarizeCase(title, byName, work.metric, subject =>
      subject === OURS ? [...byName.keys()] : [],
    )
    return { ...result, aims: judgeAims(result, work.aims) }
  } finally {
    for (const { client } of started) await client[Symbol.asyncDispose]()
  }
}

/** Small bodies in the middle of a loop that runs; large ones whole, since a window of time would cut the first and the last. */
function jobFor({ size, concurrency }: Work, seconds: number, warmUpSeconds: number): ClientJob {
  const path = `/${size}`
  if (size === '200m') return { kind: 'whole', path, concurrency, seconds, requests: Number.MAX_SAFE_INTEGER }
  return { kind: 'steady', path, concurrency, seconds, warmUpSeconds }
}
