import type { Aim } from '../../../src/bench/results/aims.ts'
import type { CaseResult, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { chooseSizes } from '../../lib/body-sizes.ts'
import { type ClientSubject, sortOutSubjects } from '../../lib/clients/client-subjects.ts'
import {
  CLIENT_WORK_METRICS,
  type ClientWork,
  chooseWorks,
  measureClientWork,
} from '../../lib/clients/client-works.ts'
import { planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'

const OURS = 'middlemile h2'

const REQUESTS = 'requestsPerCpuSecond'
const MEGABYTES = 'megabytesPerCpuSecond'
const MANY_REQUESTS: readonly Aim[] = [{ subject: OURS, metric: REQUESTS, atLeast: 200_000 }]
const MANY_BYTES: readonly Aim[] = [{ subject: OURS, metric: MEGABYTES, atLeast: 1_400 }]

const WORKS: readonly ClientWork[] = [
  { size: '1k', concurrency: 1, placement: 'together', metric: REQUESTS, aims: [] },
  { size: '1k', concurrency: 32, placement: 'together', metric: REQUESTS, aims: [] },
  { size: '1k', concurrency: 100, placement: 'together', metric: REQUESTS, aims: MANY_REQUESTS },
  { size: '1k', concurrency: 100, placement: 'apart', metric: REQUESTS, aims: MANY_REQUESTS },
  { size: '100k', concurrency: 32, placement: 'together', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '100k', concurrency: 32, placement: 'apart', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '200m', concurrency: 1, placement: 'together', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '200m', concurrency: 1, placement: 'apart', metric: MEGABYTES, aims: MANY_BYTES },
]

/**
 * Every one as its users would drive it at this concurrency: HTTP/1.1 on as many connections, HTTP/2 on one.
 */
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

/** What a request, and a byte, costs a client that speaks HTTP/2, beside node:http2, undici and HTTP/1.1. */
export async function clientH2(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    subjectsAt(1).map(subject => subject.name),
    settings,
    ['node:http2', OURS],
  )
  const cpus = planCpus()
  await using apart = await startBenchOrigin(cpus, { http2: true })
  await using together = await startBenchOrigin({ ...cpus, origin: cpus.subject }, { http2: true })
  const wanted = subjectsAt(1).filter(({ name }) => names.includes(name))
  const { subjects, unavailable } = await sortOutSubjects(wanted, apart)
  const measurable = subjects.map(({ name }) => name)
  const cases: CaseResult[] = []
  const sizes = chooseSizes(settings.sizes, ['1k', '100k', '200m'])
  for (const work of chooseWorks(WORKS, sizes, settings)) {
    const nginx = work.placement === 'together' ? together : apart
    const { tlsPort, certificates } = nginx
    const connections = async (): Promise<number> => (await nginx.counters()).connections
    const origin = { tlsPort, certificates, connections }
    const options = { subjectsAt, names: measurable, ours: OURS, origin, cpu: cpus.subject }
    cases.push(await measureClientWork(work, options, settings))
  }
  return {
    scenario: 'client-h2',
    description:
      'GET from one nginx origin over TLS 1.3, HTTP/2 or HTTP/1.1 by ALPN, no ingress; HTTP/1.1 on as many connections as requests at a time; the origin on the CPU of the client (together) or on another one (apart)',
    metrics: CLIENT_WORK_METRICS,
    cases,
    unavailable,
  }
}
