import { seededRandom } from '../../src/base/seeded-random.ts'
import { Histogram } from '../../src/bench/results/histogram.ts'
import type { ResultFile } from '../../src/bench/results/result-file.ts'
import type {
  Measurement,
  Metric,
  ObjectTime,
  SubjectDetail,
} from '../../src/bench/results/scenario-result.ts'
import { judgeHttp3, summarizeCase } from '../../src/bench/results/summaries.ts'

export interface SyntheticSubject {
  readonly subject: string
  /** Its median latency, in ms; everything else of it follows. */
  readonly ms: number
}

const METRICS: readonly Metric[] = [
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p99Ms', title: 'p99 ms', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
  { key: 'connections', title: 'connections' },
  { key: 'failures', title: 'failed', better: 'less' },
]

const SUBJECTS: readonly SyntheticSubject[] = [
  { subject: 'http/1.1 x6', ms: 52 },
  { subject: 'h2', ms: 44 },
  { subject: 'h3', ms: 44 },
  { subject: 'undici', ms: 61 },
]

/**
 * A result that was never measured: drawn from a seed, with all that a chart can be made of. For tests of
 * reports only.
 */
export function syntheticResultFile({
  subjects = SUBJECTS,
  rounds = 7,
  requests = 1_500,
  seed = 1,
}: {
  subjects?: readonly SyntheticSubject[]
  rounds?: number
  requests?: number
  seed?: number
} = {}): ResultFile {
  const random = seededRandom(seed)
  const measured = new Map(
    subjects.map(({ subject, ms }) => [
      subject,
      Array.from({ length: rounds }, (): Measurement => {
        const p50Ms = ms * (0.98 + 0.04 * random())
        return {
          p50Ms,
          p99Ms: p50Ms * (3 + random()),
          requestsPerSecond: 32_000 / p50Ms,
          cpuMsPerRequest: 0.05 * (0.9 + 0.2 * random()) * (ms / 44),
          connections: subject.includes('x6') ? 6 : 1,
          failures: 0,
        }
      }),
    ]),
  )
  const first = subjects[0]?.subject ?? ''
  const summary = summarizeCase('GET /100k, 40 ms, 1 % loss', measured, ['p50Ms', 'cpuMsPerRequest'], () => [
    first,
  ])
  return {
    startedAt: '2031-04-05T06:07:08.000Z',
    arguments: ['https://origin.example/100k', '--rounds', String(rounds)],
    settings: { rounds, requests, seed, arrival: { kind: 'open', perSecond: 200 }, protocols: ['h3', 'h2'] },
    machine: {
      cores: 2,
      cpuModel: 'a processor',
      memoryGiB: 8,
      kernel: '6.1',
      distribution: 'a distribution',
      congestionControl: 'cubic',
      loadAtStart: 0.1,
      versions: { node: '20.0.0', openssl: '3.0.0' },
      revision: '0123456+',
    },
    results: [
      {
        scenario: 'synthetic',
        description: 'Nothing was measured: every figure is drawn from a seed.',
        metrics: METRICS,
        limits: ['The relay speaks for no real network.'],
        unavailable: [{ subject: 'curl', because: 'it is not installed' }],
        cases: [
          {
            ...summary,
            subjects: summary.subjects.map((entry, i) => ({
              ...entry,
              detail: syntheticDetail(subjects[i]?.ms ?? 50, requests, random),
            })),
            http3: judgeHttp3(measured, METRICS, subject =>
              subject === first ? summary.subjects.slice(1).map(other => other.subject) : [],
            ),
            aims: [
              { subject: first, metric: 'p50Ms', atMost: 60, measured: 52, met: true },
              { subject: first, metric: 'p99Ms', atMost: 60, measured: 180, met: false },
              { subject: first, metric: 'rssMiB', atMost: 60, measured: undefined, met: false },
            ],
            notes: [`${first}: a note`],
          },
        ],
      },
    ],
  }
}

function syntheticDetail(ms: number, requests: number, random: () => number): SubjectDetail {
  const latency = new Histogram()
  const firstByte = new Histogram()
  for (let i = 0; i < requests; i++) {
    const took = ms * (0.9 + 0.2 * random()) + (random() < 0.05 ? -Math.log(random()) * 2 * ms : 0)
    latency.record(took)
    firstByte.record(took * 0.8)
  }
  const objects = Array.from({ length: 40 }, (_, i): ObjectTime => {
    const startedAtMs = Math.floor(i / 8) * ms
    return {
      label: `/${i}`,
      startedAtMs,
      endedAtMs: startedAtMs + ms * (0.6 + 0.6 * random()),
      ...(i === 17 && { hasFailed: true }),
    }
  })
  return {
    latency: latency.toRecord(),
    firstByte: firstByte.toRecord(),
    objects,
    phases: [
      { name: 'queue', startMs: 0, endMs: 0.05 * ms },
      { name: 'dns', startMs: 0.05 * ms, endMs: 0.15 * ms },
      { name: 'connect', startMs: 0.15 * ms, endMs: 0.3 * ms },
      { name: 'tls', startMs: 0.3 * ms, endMs: 0.5 * ms },
      { name: 'waiting', startMs: 0.5 * ms, endMs: 0.8 * ms },
      { name: 'body', startMs: 0.8 * ms, endMs: ms },
    ],
    connections: [
      { atMs: 0, open: 0 },
      { atMs: 0.3 * ms, open: 2 },
      { atMs: 0.5 * ms, open: 6 },
      { atMs: 4 * ms, open: 3 },
      { atMs: 5 * ms, open: 1 },
    ],
  }
}
