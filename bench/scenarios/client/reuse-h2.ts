import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { type Aim, judgeAims } from '../../../src/bench/results/aims.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import type { Nginx } from '../../../test/support/nginx.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { type ClientSubject, sortOutSubjects, startSubject } from '../../lib/clients/client-subjects.ts'
import { type CpuPlan, planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { type BenchSettings, chooseSubjects, clientMeasurement } from '../../lib/scenario.ts'

const REQUESTS = 20_000
const QUICK_REQUESTS = 1_000
const CONCURRENCY = 64
/** Far more than it takes: a subject that hangs must not hang the bench. */
const GIVE_UP_SECONDS = 60

const OURS = 'middlemile h2'

const SUBJECTS: readonly ClientSubject[] = [
  { name: 'undici h2', client: 'undici h2 dispatch', connections: 1 },
  { name: 'undici h1', client: 'undici dispatch', connections: CONCURRENCY },
  { name: 'middlemile h1', client: 'middlemile dispatch', connections: 0, protocols: ['http/1.1'] },
  { name: OURS, client: 'middlemile dispatch', connections: 0, protocols: ['h2'] },
]

const METRICS: readonly Metric[] = [
  { key: 'connections', title: 'connections' },
  { key: 'reuseRatio', title: 'reuse ratio', better: 'more' },
  { key: 'requests', title: 'requests' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
]

const AIMS: readonly Aim[] = [
  { subject: OURS, metric: 'connections', atMost: 2 },
  { subject: OURS, metric: 'reuseRatio', atLeast: 0.999 },
]

/**
 * 20,000 requests, 64 at a time, through a client that knows nothing yet: how many connections did that take?
 */
export async function reuseH2(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    SUBJECTS.map(subject => subject.name),
    settings,
    ['undici h1', OURS],
  )
  const cpus = planCpus()
  const requests = settings.isQuick ? QUICK_REQUESTS : REQUESTS
  await using origin = await startBenchOrigin(cpus, { http2: true })
  const { subjects, unavailable } = await sortOutSubjects(
    SUBJECTS.filter(({ name }) => names.includes(name)),
    origin,
  )
  const measurements = await runRounds<ClientSubject>({
    subjects,
    rounds: settings.rounds,
    // Nothing to warm: it is the start that is looked at, and counted are connections.
    warmUp: () => Promise.resolve(),
    measure: subject => measure(subject, origin, cpus, requests),
    onMeasured({ name }, round, { connections, requests, failures }) {
      settings.log(
        `  round ${round + 1} ${name}: ${connections} connections for ${formatNumber(requests)} requests, ${failures} failed`,
      )
    },
  })
  const byName = new Map([...measurements].map(([{ name }, rounds]) => [name, rounds]))
  const result = summarizeCase('1k', byName, 'connections', () => [])
  return {
    scenario: 'reuse-h2',
    description: `${requests} requests of 1 KB, ${CONCURRENCY} at a time, each round through a new client, to one nginx origin over TLS 1.3`,
    metrics: METRICS,
    cases: [{ ...result, aims: judgeAims(result, AIMS) }],
    unavailable,
  }
}

async function measure(
  subject: ClientSubject,
  origin: Nginx,
  cpus: CpuPlan,
  requests: number,
): Promise<Measurement> {
  const { client } = await startSubject(subject, origin, origin.tlsPort, cpus.subject)
  try {
    const before = await origin.counters()
    const report = await client.run({
      kind: 'whole',
      path: '/1k',
      concurrency: CONCURRENCY,
      seconds: GIVE_UP_SECONDS,
      requests,
    })
    const after = await origin.counters()
    const connections = after.connections - before.connections
    return { ...clientMeasurement(report), connections, reuseRatio: 1 - connections / report.requests }
  } finally {
    await client[Symbol.asyncDispose]()
  }
}
