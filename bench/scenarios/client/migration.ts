import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import {
  type Aim,
  type CaseResult,
  judgeAims,
  type Measurement,
  type Metric,
  type ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { startCaddy } from '../../../test/support/caddy.ts'
import { startNgtcp2Server } from '../../../test/support/ngtcp2-server.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { requireQuic } from '../../../test/support/require-quic.ts'
import { planCpus } from '../../lib/cpus.ts'
import {
  measureBrokenTcp,
  measureMovedTransfer,
  OTHER_ADDRESS,
  OTHER_PORT,
  PATH_INCIDENTS,
  SILENT,
  type TransferWork,
  UNDISTURBED,
  WINDOW_BYTES,
} from '../../lib/moved-transfer.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'

const ROUND_TRIP_MS = 40
const BYTES = 10_485_760
const WORKS: readonly TransferWork[] = [
  { direction: 'download', path: '/10m', bytes: BYTES },
  { direction: 'upload', path: '/hello', bytes: BYTES },
]
const HTTP2 = 'HTTP/2, path silent, asked again'

const METRICS: readonly Metric[] = [
  { key: 'gapMs', title: 'longest gap ms', better: 'less' },
  { key: 'ptoMs', title: 'probe timeout ms' },
  { key: 'gapPtos', title: 'gap / probe timeout', better: 'less' },
  { key: 'moves', title: 'moves' },
  { key: 'redials', title: 'new connections', better: 'less' },
]

const AIMS: readonly Aim[] = [
  { subject: OTHER_PORT, metric: 'gapMs', atMost: 2 * ROUND_TRIP_MS + 50 },
  { subject: OTHER_ADDRESS, metric: 'gapMs', atMost: 2 * ROUND_TRIP_MS + 50 },
  { subject: SILENT, metric: 'gapPtos', atMost: 3 },
]

/** For how long does a transfer stand still when its connection moves to another path, or has to? */
export async function migration(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('gtlsserver', 'caddy') ?? requireQuic()
  if (missing !== undefined) throw new Error(missing)
  const cpus = planCpus()
  await using ngtcp2 = await startNgtcp2Server({ cpu: cpus.origin })
  await using caddy = await startCaddy({ http2: true, cpu: cpus.origin })
  const far = { port: ngtcp2.port, ca: ngtcp2.certificates.ca }
  const cases: CaseResult[] = []
  for (const work of WORKS.slice(0, settings.isQuick ? 1 : WORKS.length)) {
    const all = PATH_INCIDENTS.map(({ name }) => name)
    const named = work.direction === 'download' ? [...all, HTTP2] : all
    const names = chooseSubjects(named, settings, [UNDISTURBED, OTHER_PORT])
    const measure = (name: string): Promise<Measurement> => {
      const incident = PATH_INCIDENTS.find(incident => incident.name === name)
      if (incident !== undefined) return measureMovedTransfer(far, work, incident, ROUND_TRIP_MS)
      return measureBrokenTcp({ tlsPort: caddy.tlsPort, ca: caddy.certificates.ca }, '/10m', ROUND_TRIP_MS)
    }
    const measurements = await runRounds<string>({
      subjects: names,
      rounds: settings.rounds,
      async warmUp(name) {
        // Compiles the code; that of HTTP/2 would take as long as its timeouts.
        if (name !== HTTP2 && !settings.isQuick) await measure(name)
      },
      measure,
      onMeasured(name, round, { gapMs, ptoMs }) {
        settings.log(
          `  round ${round + 1} ${work.direction} ${name}: ${formatNumber(gapMs)} ms, probe timeout ${formatNumber(ptoMs)} ms`,
        )
      },
    })
    const result = summarizeCase(work.direction, measurements, 'gapMs', () => [])
    cases.push({ ...result, aims: judgeAims(result, AIMS) })
  }
  return {
    scenario: 'migration',
    description: `the longest time in which no byte came to the receiver of a ${BYTES} byte transfer, from an incident at 40 % of it on; gtlsserver over a relay of ${ROUND_TRIP_MS} ms (HTTP/2: caddy), downloads with windows of ${WINDOW_BYTES} bytes`,
    metrics: METRICS,
    cases,
    unavailable: [],
  }
}
