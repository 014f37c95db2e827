import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { CaseResult, Metric, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { chooseSizes } from '../../lib/body-sizes.ts'
import { type MeasuredClient, startMeasuredClient } from '../../lib/clients/measured-client.ts'
import { planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { builtFile, NOT_BUILT } from '../../lib/repository.ts'
import { type BenchSettings, chooseSubjects, clientMeasurement } from '../../lib/scenario.ts'

const DOORS = ['dispatch', 'request', 'fetch'] as const
const CONCURRENCY = 50

const METRICS: readonly Metric[] = [
  { key: 'requestsPerCpuSecond', title: 'req/CPU-s', better: 'more' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'rssMiB', title: 'RSS MiB', better: 'less' },
  { key: 'cpuShare', title: 'CPU share' },
  { key: 'failures', title: 'failed', better: 'less' },
]

/**
 * Requests per second of the client's own CPU time, without any ingress: each door beside the same door of
 * undici.
 */
export async function client(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const isBuilt = builtFile('index.js') !== undefined
  const all = DOORS.flatMap(door => [`undici ${door}`, `middlemile ${door}`])
  const wanted = chooseSubjects(all, settings, ['undici dispatch', 'middlemile dispatch'])
  const names = wanted.filter(name => isBuilt || !name.startsWith('middlemile'))
  const cpus = planCpus()
  await using origin = await startBenchOrigin(cpus)
  const cases: CaseResult[] = []
  // A large body measures TLS and memory copies, not the client.
  for (const size of chooseSizes(settings.sizes, ['1k', '100k'])) {
    const clients: MeasuredClient[] = []
    try {
      const setting = {
        origin: `https://127.0.0.1:${origin.tlsPort}`,
        ca: origin.certificates.ca,
        connections: CONCURRENCY,
      }
      for (const name of names) clients.push(await startMeasuredClient(name, setting, cpus.subject))
      const measurements = await runRounds<MeasuredClient>({
        subjects: clients,
        rounds: settings.rounds,
        async warmUp(subject) {
          await measure(subject, size, settings.warmUpSeconds, 0)
        },
        // A moment to get going again counts for nobody.
        measure: subject => measure(subject, size, settings.seconds, 0.2),
        onMeasured(subject, round, { requestsPerCpuSecond, failures }) {
          settings.log(
            `  ${size} round ${round + 1} ${subject.name}: ${formatNumber(requestsPerCpuSecond)} req/CPU-s, ${failures} failed`,
          )
        },
      })
      const byName = new Map([...measurements].map(([subject, rounds]) => [subject.name, rounds]))
      cases.push(
        summarizeCase(size, byName, 'requestsPerCpuSecond', subject =>
          subject.startsWith('middlemile') ? [subject.replace('middlemile', 'undici')] : [],
        ),
      )
    } finally {
      for (const subject of clients) await subject[Symbol.asyncDispose]()
    }
  }
  return {
    scenario: 'client',
    description: `${CONCURRENCY} requests at a time on ${CONCURRENCY} connections, nginx origin over TLS 1.3 with HTTP/1.1, no ingress`,
    metrics: METRICS,
    cases,
    unavailable: wanted
      .filter(name => !names.includes(name))
      .map(subject => ({ subject, because: NOT_BUILT })),
  }
}

async function measure(
  subject: MeasuredClient,
  size: string,
  seconds: number,
  warmUpSeconds: number,
): Promise<Measurement> {
  const report = await subject.run({
    kind: 'steady',
    path: `/${size}`,
    concurrency: CONCURRENCY,
    seconds,
    warmUpSeconds,
  })
  return clientMeasurement(report)
}
