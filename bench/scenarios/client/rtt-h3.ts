import { join } from 'node:path'
import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { type Aim, judgeAims } from '../../../src/bench/results/aims.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import {
  type ClientSubject,
  type StartedSubject,
  sortOutSubjects,
  startSubject,
} from '../../lib/clients/client-subjects.ts'
import { planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { type Http3BenchOrigin, startHttp3BenchOrigin } from '../../lib/origins/http3-bench-origin.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { startDelayRelay, startUdpDelayRelay } from '../../relay/delayed-path.ts'

const ROUND_TRIP_MS = 80
/** Head and body come in one packet: when the first byte is there, all is. */
const PATH = '/1k'

const REFERENCE = 'middlemile h2'
const FULL = 'middlemile h3'
const RESUMED = 'middlemile h3 resumed'
const EARLY = 'middlemile h3 0-RTT'

const METRICS: readonly Metric[] = [
  { key: 'wallMs', title: 'ms to answer', better: 'less' },
  { key: 'roundTrips', title: 'round trips', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
]

const AIMS: readonly Aim[] = [
  { subject: EARLY, metric: 'roundTrips', atMost: 1.1 },
  { subject: RESUMED, metric: 'roundTrips', atMost: 2.1 },
  { subject: FULL, metric: 'roundTrips', atMost: 2.1 },
]

/** Handshakes of a run that are none of what the subject is called. */
const WARM_UPS = 5
const QUICK_WARM_UPS = 2

/**
 * How long does the first request of a new client take over a long way? That is a matter of handshakes and of
 * nothing else.
 */
export async function rttH3(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const cpus = planCpus()
  using directory = makeTemporaryDirectory('bench')
  const all = subjectsIn(directory.path)
  const names = chooseSubjects(
    all.map(subject => subject.name),
    settings,
    [REFERENCE, EARLY],
  )
  await using origin = await startBenchOrigin(cpus, { http2: true })
  await using http3 = await startHttp3BenchOrigin(
    '127.0.0.1',
    origin.tlsPort,
    origin.certificates,
    cpus.origin,
  )
  await using tcpRelay = await startDelayRelay(origin.tlsPort, ROUND_TRIP_MS, cpus.load)
  await using udpRelay = await startUdpDelayRelay(http3.port, ROUND_TRIP_MS, cpus.load)
  // Timers are late: how long a round trip really is says the relay.
  const roundTripOf = (name: string): number =>
    name.includes('h3') ? udpRelay.roundTripMs : tcpRelay.roundTripMs
  const wanted = all.filter(({ name }) => names.includes(name))
  const { subjects, unavailable } = await sortOutSubjects(wanted, origin)
  const started: StartedSubject[] = []
  try {
    for (const subject of subjects) {
      const { port } = subject.protocols?.includes('h3') === true ? udpRelay : tcpRelay
      started.push(await startSubject(subject, origin, port, cpus.subject))
    }
    const measurements = await runRounds<StartedSubject>({
      subjects: started,
      rounds: settings.rounds,
      async warmUp({ client }) {
        // Compiles the code, and brings the first ticket to those that resume.
        const warmUps = settings.isQuick ? QUICK_WARM_UPS : WARM_UPS
        for (let i = 0; i < warmUps; i++) await client.run({ kind: 'burst', path: PATH, requests: 1 })
      },
      measure: subject => measure(subject, http3, roundTripOf(subject.name)),
      onMeasured({ name }, round, { wallMs, failures }) {
        settings.log(`  round ${round + 1} ${name}: ${formatNumber(wallMs)} ms, ${failures} failed`)
      },
    })
    const byName = new Map([...measurements].map(([{ name }, rounds]) => [name, rounds]))
    const result = summarizeCase('first request', byName, 'wallMs', subject =>
      subject.includes('h3') ? [REFERENCE] : [],
    )
    return {
      scenario: 'rtt-h3',
      description: `the first request of a new client, 1 KB, behind relays of ${ROUND_TRIP_MS} ms (measured: TCP connect ${tcpRelay.connectMs.toFixed(1)} ms, round trip ${tcpRelay.roundTripMs.toFixed(1)} ms; UDP round trip ${udpRelay.roundTripMs.toFixed(1)} ms), no loss; HTTP/2 from nginx over TLS 1.3, HTTP/3 from our own origin`,
      metrics: METRICS,
      cases: [{ ...result, aims: judgeAims(result, AIMS) }],
      unavailable,
    }
  } finally {
    for (const { client } of started) await client[Symbol.asyncDispose]()
  }
}

function subjectsIn(directory: string): readonly ClientSubject[] {
  const ours = { client: 'middlemile dispatch', connections: 1 } as const
  const state = (name: string): string => join(directory, name)
  return [
    { name: 'node:http2', client: 'node:http2', connections: 1 },
    { ...ours, name: REFERENCE, protocols: ['h2'] },
    { ...ours, name: FULL, protocols: ['h3'] },
    { ...ours, name: RESUMED, protocols: ['h3'], stateDirectory: state('resumed') },
    { ...ours, name: EARLY, protocols: ['h3'], stateDirectory: state('early'), earlyData: 'safe' },
  ]
}

/**
 * Throws when the handshake was another one than the subject is named for: its figure would be somebody
 * else's.
 */
async function measure(
  { name, client }: StartedSubject,
  http3: Http3BenchOrigin,
  roundTripMs: number,
): Promise<Measurement> {
  const before = await http3.counters()
  const { wallMs, failures, requests } = await client.run({ kind: 'burst', path: PATH, requests: 1 })
  const after = await http3.counters()
  const resumptions = after.resumptions - before.resumptions
  const earlyRequests = after.earlyRequests - before.earlyRequests
  const isResumed = name === RESUMED || name === EARLY
  if (resumptions !== (isResumed ? 1 : 0) || earlyRequests !== (name === EARLY ? 1 : 0)) {
    throw new Error(`${name}: ${resumptions} resumptions, ${earlyRequests} early requests`)
  }
  return { wallMs, roundTrips: wallMs / roundTripMs, failures, requests }
}
