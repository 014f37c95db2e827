import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import type { Nginx } from '../../../test/support/nginx.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { type MeasuredClient, startMeasuredClient } from '../../lib/clients/measured-client.ts'
import { planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { builtFile, NOT_BUILT } from '../../lib/repository.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'

const REQUESTS = 100
/** Bursts are short: one that a neighbor on the machine disturbed must not decide. */
const BURSTS_PER_ROUND = 5

const SUBJECTS = [
  { name: 'undici', client: 'undici request', connections: 0 },
  { name: 'undici-64', client: 'undici request', connections: 64 },
  { name: 'middlemile', client: 'middlemile request', connections: 0 },
] as const

const METRICS: readonly Metric[] = [
  { key: 'connections', title: 'connections' },
  { key: 'wallMs', title: 'ms for all', better: 'less' },
  { key: 'cpuMs', title: 'CPU ms', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
]

/**
 * 100 requests at once to an origin that nobody has talked to: how many connections, how long for all of
 * them.
 */
export async function coldBurst(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const cpus = planCpus()
  const bursts = settings.isQuick ? 1 : BURSTS_PER_ROUND
  await using origin = await startBenchOrigin(cpus)
  const isBuilt = builtFile('index.js') !== undefined
  const chosen = chooseSubjects(
    SUBJECTS.map(subject => subject.name),
    settings,
    ['undici', 'middlemile'],
  )
  const wanted = SUBJECTS.filter(subject => chosen.includes(subject.name))
  const subjects = wanted.filter(({ client }) => isBuilt || !client.startsWith('middlemile'))
  const started: { name: string; client: MeasuredClient }[] = []
  try {
    for (const { name, client, connections } of subjects) {
      const setting = {
        origin: `https://127.0.0.1:${origin.tlsPort}`,
        ca: origin.certificates.ca,
        connections,
      }
      started.push({ name, client: await startMeasuredClient(client, setting, cpus.subject) })
    }
    const measurements = await runRounds({
      subjects: started,
      rounds: settings.rounds,
      async warmUp({ client }) {
        await measure(client, origin, bursts) // compiles the code: what is cold is the connections
      },
      measure: ({ client }) => measure(client, origin, bursts),
      onMeasured({ name }, round, { connections, wallMs }) {
        settings.log(`  round ${round + 1} ${name}: ${connections} connections, ${formatNumber(wallMs)} ms`)
      },
    })
    const byName = new Map([...measurements].map(([subject, rounds]) => [subject.name, rounds]))
    return {
      scenario: 'cold-burst',
      description: `${REQUESTS} requests of 1 KB at once through a new client to an nginx origin over TLS 1.3; means of ${bursts} bursts; undici and middlemile as they come, undici-64 held to 64 connections`,
      metrics: METRICS,
      cases: [
        summarizeCase('1k', byName, 'wallMs', subject =>
          subject.startsWith('middlemile')
            ? [...byName.keys()].filter(name => name.startsWith('undici'))
            : [],
        ),
      ],
      unavailable: wanted
        .filter(subject => !subjects.includes(subject))
        .map(({ name }) => ({ subject: name, because: NOT_BUILT })),
    }
  } finally {
    for (const { client } of started) await client[Symbol.asyncDispose]()
  }
}

async function measure(client: MeasuredClient, origin: Nginx, bursts: number): Promise<Measurement> {
  const before = await origin.counters()
  let wallMs = 0
  let cpuMs = 0
  let failures = 0
  for (let i = 0; i < bursts; i++) {
    const report = await client.run({ kind: 'burst', path: '/1k', requests: REQUESTS })
    wallMs += report.wallMs
    cpuMs += report.cpuMs
    failures += report.failures
  }
  const after = await origin.counters()
  return {
    connections: (after.connections - before.connections) / bursts,
    wallMs: wallMs / bursts,
    cpuMs: cpuMs / bursts,
    failures,
  }
}
