import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { type Aim, judgeAims } from '../../../src/bench/results/aims.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { CaseResult, Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import {
  type ClientSubject,
  type StartedSubject,
  sortOutSubjects,
  startSubject,
} from '../../lib/clients/client-subjects.ts'
import { planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { startDelayRelay } from '../../relay/delayed-path.ts'

const ROUND_TRIP_MS = 40
const OBJECTS = 20
const PATH = '/100k'

const OURS = 'middlemile h2'
const MANY_CONNECTIONS = ['undici h1 x20', 'middlemile h1 x20'] as const

const SUBJECTS: readonly ClientSubject[] = [
  { name: 'undici h1 x20', client: 'undici dispatch', connections: OBJECTS },
  {
    name: 'middlemile h1 x20',
    client: 'middlemile dispatch',
    connections: OBJECTS,
    protocols: ['http/1.1'],
  },
  { name: 'node:http2 defaults', client: 'node:http2 defaults', connections: 1 },
  { name: 'node:http2', client: 'node:http2', connections: 1 },
  { name: 'undici h2', client: 'undici h2 dispatch', connections: 1 },
  { name: OURS, client: 'middlemile dispatch', connections: 1, protocols: ['h2'] },
]

const METRICS: readonly Metric[] = [
  { key: 'wallMs', title: 'ms for all', better: 'less' },
  { key: 'roundTrips', title: 'round trips', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
]

const AIMS: readonly Aim[] = MANY_CONNECTIONS.map(to => ({
  subject: OURS,
  metric: 'wallMs',
  to,
  atMost: 1.5,
}))

/**
 * A page's worth of objects over a long way: do the windows of one connection let as much through as twenty
 * connections do?
 */
export async function rttH2(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    SUBJECTS.map(subject => subject.name),
    settings,
    ['node:http2', OURS],
  )
  const cpus = planCpus()
  await using origin = await startBenchOrigin(cpus, { http2: true })
  await using relay = await startDelayRelay(origin.tlsPort, ROUND_TRIP_MS, cpus.load)
  const { subjects, unavailable } = await sortOutSubjects(
    SUBJECTS.filter(({ name }) => names.includes(name)),
    origin,
  )
  const started: StartedSubject[] = []
  try {
    for (const subject of subjects) {
      started.push(await startSubject(subject, origin, relay.port, cpus.subject))
    }
    return {
      scenario: 'rtt-h2',
      description: `${OBJECTS} x 100 KB at once from an nginx origin over TLS 1.3 behind a relay of ${ROUND_TRIP_MS} ms (measured: connect ${relay.connectMs.toFixed(1)} ms, round trip ${relay.roundTripMs.toFixed(1)} ms), no loss, no limit of bandwidth`,
      metrics: METRICS,
      cases: [
        await measureCase('cold', 'burst', started, settings),
        await measureCase('warm', 'warm-burst', started, settings),
      ],
      unavailable,
    }
  } finally {
    for (const { client } of started) await client[Symbol.asyncDispose]()
  }
}

async function measureCase(
  title: string,
  kind: 'burst' | 'warm-burst',
  started: readonly StartedSubject[],
  settings: BenchSettings,
): Promise<CaseResult> {
  const measureOnce = async ({ client }: StartedSubject): Promise<Measurement> => {
    const { wallMs, failures, requests } = await client.run({ kind, path: PATH, requests: OBJECTS })
    return { wallMs, roundTrips: wallMs / ROUND_TRIP_MS, failures, requests }
  }
  const measurements = await runRounds<StartedSubject>({
    subjects: started,
    rounds: settings.rounds,
    async warmUp(subject) {
      // Compiles the code: what is cold is the connections.
      for (let i = 0; i < (settings.isQuick ? 1 : 5); i++) await measureOnce(subject)
    },
    measure: measureOnce,
    onMeasured({ name }, round, { wallMs, failures }) {
      settings.log(
        `  ${title} round ${round + 1} ${name}: ${formatNumber(wallMs)} ms for all, ${failures} failed`,
      )
    },
  })
  const byName = new Map([...measurements].map(([{ name }, rounds]) => [name, rounds]))
  const result = summarizeCase(title, byName, 'wallMs', subject =>
    subject.includes('h2') || subject.startsWith('node:http2')
      ? MANY_CONNECTIONS.filter(name => byName.has(name))
      : [],
  )
  return { ...result, aims: judgeAims(result, AIMS) }
}
