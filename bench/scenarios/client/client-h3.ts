import type { Aim } from '../../../src/bench/results/aims.ts'
import type { CaseResult, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import type { Nginx } from '../../../test/support/nginx.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { chooseSizes } from '../../lib/body-sizes.ts'
import { type ClientSubject, sortOutSubjects } from '../../lib/clients/client-subjects.ts'
import {
  CLIENT_WORK_METRICS,
  type ClientWork,
  chooseWorks,
  measureClientWork,
  type WorkOrigin,
} from '../../lib/clients/client-works.ts'
import { type CpuPlan, planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { type Http3BenchOrigin, startHttp3BenchOrigin } from '../../lib/origins/http3-bench-origin.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'

const OURS = 'middlemile h3'

const REQUESTS = 'requestsPerCpuSecond'
const MEGABYTES = 'megabytesPerCpuSecond'
const MANY_REQUESTS: readonly Aim[] = [
  { subject: OURS, metric: REQUESTS, atLeast: 40_000 },
  { subject: OURS, metric: REQUESTS, to: 'node:http2', atLeast: 2 },
]
const MANY_BYTES: readonly Aim[] = [{ subject: OURS, metric: MEGABYTES, atLeast: 150 }]

const WORKS: readonly ClientWork[] = [
  { size: '1k', concurrency: 1, placement: 'together', metric: REQUESTS, aims: [] },
  { size: '1k', concurrency: 100, placement: 'together', metric: REQUESTS, aims: MANY_REQUESTS },
  { size: '1k', concurrency: 100, placement: 'apart', metric: REQUESTS, aims: MANY_REQUESTS },
  { size: '200m', concurrency: 1, placement: 'together', metric: MEGABYTES, aims: MANY_BYTES },
  { size: '200m', concurrency: 1, placement: 'apart', metric: MEGABYTES, aims: MANY_BYTES },
]

/**
 * Every one as its users would drive it at this concurrency: HTTP/1.1 on as many connections, the others on
 * one.
 */
function subjectsAt(concurrency: number): readonly ClientSubject[] {
  return [
    { name: 'node:http2', client: 'node:http2', connections: 1 },
    { name: 'undici h2', client: 'undici h2 dispatch', connections: 1 },
    { name: 'undici h1', client: 'undici dispatch', connections: concurrency },
    { name: 'middlemile h2', client: 'middlemile dispatch', connections: 0, protocols: ['h2'] },
    { name: 'middlemile h3 connection', client: 'middlemile h3 connection', connections: 1 },
    // Connections as it likes: that it takes one at a time is part of what is measured.
    { name: OURS, client: 'middlemile dispatch', connections: 0, protocols: ['h3'] },
  ]
}

/** What a request, and a byte, costs a client that speaks HTTP/3, beside HTTP/2 and HTTP/1.1. */
export async function clientH3(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    subjectsAt(1).map(subject => subject.name),
    settings,
    ['node:http2', OURS],
  )
  const cpus = planCpus()
  await using apart = await startBothOrigins(cpus)
  await using together = await startBothOrigins({ ...cpus, origin: cpus.subject })
  const wanted = subjectsAt(1).filter(({ name }) => names.includes(name))
  const { subjects, unavailable } = await sortOutSubjects(wanted, apart)
  const measurable = subjects.map(({ name }) => name)
  const cases: CaseResult[] = []
  const sizes = chooseSizes(settings.sizes, ['1k', '200m'])
  for (const work of chooseWorks(WORKS, sizes, settings)) {
    const origin = work.placement === 'together' ? together : apart
    const options = { subjectsAt, names: measurable, ours: OURS, origin, cpu: cpus.subject }
    cases.push(await measureClientWork(work, options, settings))
  }
  return {
    scenario: 'client-h3',
    description:
      'GET over TLS 1.3, no ingress: HTTP/3 from our own origin, which answers as nginx does, HTTP/2 and HTTP/1.1 from nginx; HTTP/1.1 on as many connections as requests at a time; the origins on the CPU of the client (together) or on another one (apart)',
    metrics: CLIENT_WORK_METRICS,
    cases,
    unavailable,
  }
}

/**
 * nginx and, on the UDP port of the same number, our HTTP/3 origin with the same certificate: one URL leads
 * to both.
 */
class BothOrigins implements WorkOrigin, AsyncDisposable {
  readonly #nginx: Nginx
  readonly #http3: Http3BenchOrigin

  constructor(nginx: Nginx, http3: Http3BenchOrigin) {
    this.#nginx = nginx
    this.#http3 = http3
  }

  get tlsPort(): number {
    return this.#nginx.tlsPort
  }

  get certificates(): Nginx['certificates'] {
    return this.#nginx.certificates
  }

  async connections(): Promise<number> {
    const [tcp, quic] = await Promise.all([this.#nginx.counters(), this.#http3.counters()])
    return tcp.connections + quic.connections
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http3[Symbol.asyncDispose]()
    await this.#nginx.stop()
  }
}

async function startBothOrigins(cpus: CpuPlan): Promise<BothOrigins> {
  const nginx = await startBenchOrigin(cpus, { http2: true })
  try {
    return new BothOrigins(
      nginx,
      await startHttp3BenchOrigin('127.0.0.1', nginx.tlsPort, nginx.certificates, cpus.origin),
    )
  } catch (error) {
    await nginx.stop()
    throw error
  }
}
