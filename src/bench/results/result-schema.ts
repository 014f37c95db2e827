import { z } from 'zod'
import type { JudgedAim } from './aims.ts'
import type { Interval } from './estimates.ts'
import type { HistogramRecord } from './histogram.ts'
import { MAX_RECORDED_US } from './histogram.ts'
import type { Http3Verdict } from './http3-verdict.ts'
import type { Measurement } from './measurement.ts'
import type { ResultFile } from './result-file.ts'
import type {
  CaseResult,
  MachineFacts,
  Metric,
  RatioResult,
  ScenarioResult,
  SubjectResult,
} from './scenario-result.ts'
import type { ConnectionsAt, ObjectTime, Phase, SubjectDetail } from './subject-detail.ts'

/*
 * The shapes of a result file, checked. The types beside them are written by hand, for their comments; tsc holds the two together. What is
 * not known here is kept: a file may tell more than this version reads.
 */

/** JSON has no NaN: figures of nothing stand there as null, and are left out. */
const measurement: z.ZodType<Measurement> = z
  .record(z.string(), z.number().nullable())
  .transform(figures => Object.fromEntries(Object.entries(figures).filter(isTold)))

function isTold(entry: [string, number | null]): entry is [string, number] {
  return entry[1] !== null
}

const metric: z.ZodType<Metric> = z.looseObject({
  key: z.string(),
  title: z.string(),
  better: z.enum(['less', 'more']).exactOptional(),
})

const interval: z.ZodType<Interval> = z.looseObject({
  low: z.number(),
  high: z.number(),
  coverage: z.number().min(0).max(1),
})

const ratio: z.ZodType<RatioResult> = z.looseObject({
  subject: z.string(),
  to: z.string(),
  metric: z.string(),
  median: z.number(),
  min: z.number(),
  max: z.number(),
  pairs: z.int().min(1),
  interval: interval.exactOptional(),
})

const verdict: z.ZodType<Http3Verdict> = z.looseObject({
  subject: z.string(),
  to: z.string(),
  metric: z.string(),
  outcome: z.enum(['wins', 'loses', 'even', 'not-shown']),
  ratio: z.looseObject({
    median: z.number(),
    min: z.number(),
    max: z.number(),
    pairs: z.int().min(1),
    interval: interval.exactOptional(),
  }),
})

const aim: z.ZodType<JudgedAim> = z
  .looseObject({
    subject: z.string(),
    metric: z.string(),
    to: z.string().exactOptional(),
    atLeast: z.number().exactOptional(),
    atMost: z.number().exactOptional(),
    measured: z.number().nullish(),
    met: z.boolean(),
  })
  .transform(({ measured, ...rest }) => ({ ...rest, measured: measured ?? undefined }))

const count = z.int().min(0)
const us = z.int().min(0).max(MAX_RECORDED_US)

const histogram: z.ZodType<HistogramRecord> = z.looseObject({
  buckets: z.array(z.tuple([us, count])),
  count,
  minUs: us,
  maxUs: us,
  aboveMaximum: count.exactOptional(),
})

const object: z.ZodType<ObjectTime> = z.looseObject({
  label: z.string(),
  startedAtMs: z.number(),
  firstByteAtMs: z.number().exactOptional(),
  endedAtMs: z.number(),
  hasFailed: z.boolean().exactOptional(),
})

const phase: z.ZodType<Phase> = z.looseObject({
  name: z.enum(['queue', 'dns', 'connect', 'tls', 'waiting', 'body']),
  startMs: z.number(),
  endMs: z.number(),
})

const connections: z.ZodType<ConnectionsAt> = z.looseObject({ atMs: z.number(), open: count })

const detail: z.ZodType<SubjectDetail> = z.looseObject({
  latency: histogram.exactOptional(),
  firstByte: histogram.exactOptional(),
  objects: z.array(object).exactOptional(),
  phases: z.array(phase).exactOptional(),
  connections: z.array(connections).exactOptional(),
})

const subject: z.ZodType<SubjectResult> = z.looseObject({
  subject: z.string(),
  rounds: z.array(measurement),
  median: measurement,
  detail: detail.exactOptional(),
})

const table: z.ZodType<CaseResult> = z.looseObject({
  name: z.string(),
  subjects: z.array(subject),
  ratios: z.array(ratio),
  http3: z.array(verdict).exactOptional(),
  aims: z.array(aim).exactOptional(),
  notes: z.array(z.string()).exactOptional(),
})

const scenario: z.ZodType<ScenarioResult> = z.looseObject({
  scenario: z.string(),
  description: z.string(),
  metrics: z.array(metric),
  cases: z.array(table),
  unavailable: z.array(z.looseObject({ subject: z.string(), because: z.string() })),
  limits: z.array(z.string()).exactOptional(),
})

const machine: z.ZodType<MachineFacts> = z.looseObject({
  cores: z.number(),
  cpuModel: z.string(),
  memoryGiB: z.number(),
  kernel: z.string(),
  distribution: z.string(),
  congestionControl: z.string(),
  loadAtStart: z.number(),
  versions: z.record(z.string(), z.string()),
  revision: z.string(),
})

/** What writeResultFile writes. */
export const resultFileSchema: z.ZodType<ResultFile> = z.looseObject({
  startedAt: z.string(),
  arguments: z.array(z.string()),
  settings: z.record(z.string(), z.unknown()),
  machine,
  results: z.array(scenario),
})
