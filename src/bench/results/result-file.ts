import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type HistogramRecord, MAX_RECORDED_US } from './histogram.ts'
import type {
  CaseResult,
  ConnectionsAt,
  Http3Verdict,
  JudgedAim,
  MachineFacts,
  Measurement,
  Metric,
  ObjectTime,
  Phase,
  RatioResult,
  ScenarioResult,
  SubjectDetail,
  SubjectResult,
} from './scenario-result.ts'
import type { Interval } from './statistics.ts'

/** Everything that a later reader needs to judge the figures. */
export interface ResultFile {
  startedAt: string
  arguments: readonly string[]
  settings: Readonly<Record<string, unknown>>
  machine: MachineFacts
  results: readonly ScenarioResult[]
}

/**
 * Of the files that are written; those without one are of the same shape, and older. It grows when old
 * readers would misread new files.
 */
const RESULT_FORMAT = 1

/** A name of more than 255 bytes is none. */
const MAX_NAME = 120

/**
 * Writes `DATE-TIME-scenarios.json` into the directory; of very many scenarios their number. Returns its
 * path.
 */
export function writeResultFile(directory: string, file: ResultFile): string {
  mkdirSync(directory, { recursive: true })
  const when = file.startedAt.slice(0, 16).replace('T', '-').replace(':', '')
  const names = file.results.map(result => result.scenario).join('+')
  const what = names.length > MAX_NAME ? `${file.results.length}-scenarios` : names
  const path = join(directory, `${when}-${what}.json`)
  writeFileSync(path, resultText(file))
  return path
}

/**
 * The document that readResultFile reads: a line for each figure, and one for all the material of a subject's
 * charts, of which there is much.
 */
export function resultText(file: ResultFile): string {
  return `${indented({ format: RESULT_FORMAT, ...file }, '')}\n`
}

function indented(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(roundNumber('', value) ?? null)
  const deeper = `${indent}  `
  const isList = Array.isArray(value)
  const lines = Object.entries(value)
    .filter(([, entry]) => isList || entry !== undefined)
    .map(([key, entry]) => {
      const text = key === 'detail' ? JSON.stringify(entry, roundNumber) : indented(entry, deeper)
      return `\n${deeper}${isList ? '' : `${JSON.stringify(key)}: `}${text}`
    })
  const [open, close] = isList ? '[]' : '{}'
  return lines.length === 0 ? `${open}${close}` : `${open}${lines.join(',')}\n${indent}${close}`
}

/** Six significant digits: what lies below is noise and makes files that nobody can read. */
function roundNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}

/** Charts included, a long run makes a few megabytes. */
export const MAX_RESULT_BYTES = 64 * 1024 * 1024
/** Of what is wrong in a file, so many are reported. */
const MAX_FAULTS = 3

/** The file cannot be had, or is no result file that this version can read. The message says where in it. */
export class ResultFileError extends Error {
  override readonly name = 'ResultFileError'
}

/** Reads what writeResultFile wrote. Throws ResultFileError. */
export function readResultFile(path: string): ResultFile {
  return parseResultFile(readBounded(path), path)
}

/** `name` stands in messages. */
export function parseResultFile(text: string, name: string): ResultFile {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new ResultFileError(`${name}: no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  // Of another format nearly every field may be wrong: that one says why.
  const known = z.looseObject({ format: z.literal(RESULT_FORMAT).optional() }).safeParse(document)
  if (known.success) {
    const parsed = resultFileSchema.safeParse(document)
    if (parsed.success) return parsed.data
    throw new ResultFileError(`${name}: not a result file of this version: ${describe(parsed.error)}`)
  }
  const isFormat = known.error.issues[0]?.path[0] === 'format'
  const why = isFormat ? `this version reads format ${RESULT_FORMAT}: ` : ''
  throw new ResultFileError(`${name}: not a result file of this version: ${why}${describe(known.error)}`)
}

function describe({ issues }: z.ZodError): string {
  const faults = issues.slice(0, MAX_FAULTS).map(({ path, message }) => {
    const where = z.core.toDotPath(path)
    return where === '' ? message : `${where}: ${message}`
  })
  const more = issues.length - faults.length
  return faults.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function readBounded(path: string): string {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe without a writer would hang
    const stat = fstatSync(file) // of the file that is then read, whatever happens to its name
    if (!stat.isFile()) throw new ResultFileError(`${path}: not a regular file`)
    const { size } = stat
    if (size > MAX_RESULT_BYTES)
      throw new ResultFileError(`${path}: ${size} bytes; a result file has at most ${MAX_RESULT_BYTES}`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof ResultFileError) throw error
    throw new ResultFileError(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/*
 * The shapes of a result file, checked. The types beside them are written by hand, for their comments; tsc
 * holds the two together. What is not known here is kept: a file may hold more than this version reads.
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
const resultFileSchema: z.ZodType<ResultFile> = z.looseObject({
  startedAt: z.string(),
  arguments: z.array(z.string()),
  settings: z.record(z.string(), z.unknown()),
  machine,
  results: z.array(scenario),
})
