import type { HistogramRecord } from './histogram.ts'
import type { Ratio } from './statistics.ts'

/** What one subject showed in one round: figures by the keys of metrics. */
export type Measurement = Readonly<Record<string, number>>

export interface Metric {
  /** The key within a measurement. */
  key: string
  /** The head of its column. */
  title: string
  /** Which way it is to go; undefined: neither is better by itself. */
  better?: 'less' | 'more'
}

export interface SubjectResult {
  subject: string
  rounds: readonly Measurement[]
  median: Measurement
  /** What a chart shows beside the figures. */
  detail?: SubjectDetail
}

export interface RatioResult extends Ratio {
  subject: string
  to: string
  metric: string
}

/** One table: the same work for every subject. */
export interface CaseResult {
  name: string
  subjects: readonly SubjectResult[]
  ratios: readonly RatioResult[]
  /** Where HTTP/3 wins and where it loses, beside the same client over TCP. */
  http3?: readonly Http3Verdict[]
  /** What was hoped for, and whether it came true. */
  aims?: readonly JudgedAim[]
  /** What no column says, a line each. */
  notes?: readonly string[]
}

export interface ScenarioResult {
  scenario: string
  /** One sentence: what was done. */
  description: string
  metrics: readonly Metric[]
  cases: readonly CaseResult[]
  /** Subjects that could not run, and why. */
  unavailable: readonly { subject: string; because: string }[]
  /** What the figures do not show, a line each. */
  limits?: readonly string[]
}

/** What a figure depends on beside the code. No names of machines or people: results are published. */
export interface MachineFacts {
  cores: number
  cpuModel: string
  memoryGiB: number
  kernel: string
  distribution: string
  congestionControl: string
  /** One-minute load average when the run began: above a half, somebody else is using the machine. */
  loadAtStart: number
  versions: Record<string, string>
  /** The revision that was measured; `+` behind it: with changes that are not committed. */
  revision: string
}

/** What passed a path, towards the server and back. */
export interface WireBytes {
  readonly sentBytes: number
  readonly receivedBytes: number
}

interface RelayCounts {
  readonly toServer: { readonly bytes: number }
  readonly toClient: { readonly bytes: number }
}

/**
 * What has passed relays so far: payloads of TCP and UDP, without their headers and those of IP; lost ones
 * count.
 */
export function wireOf({
  tcp,
  udp,
}: {
  readonly tcp: RelayCounts
  readonly udp: RelayCounts | undefined
}): WireBytes {
  return {
    sentBytes: tcp.toServer.bytes + (udp?.toServer.bytes ?? 0),
    receivedBytes: tcp.toClient.bytes + (udp?.toClient.bytes ?? 0),
  }
}

/** What passed between two readings. */
export function wireBetween(before: WireBytes, after: WireBytes): WireBytes {
  return {
    sentBytes: after.sentBytes - before.sentBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
  }
}

/**
 * What a figure of one subject is meant to reach: by itself, or as a multiple of another subject's, round by
 * round.
 */
export interface Aim {
  subject: string
  metric: string
  /** With whom; undefined: the figure itself. Ratios are those that the case was summarized with. */
  to?: string
  atLeast?: number
  atMost?: number
}

export interface JudgedAim extends Aim {
  /** The median; undefined: it was not measured. */
  measured: number | undefined
  met: boolean
}

/** What a CaseResult has to be judged by. */
interface MeasuredCase {
  readonly subjects: readonly { readonly subject: string; readonly median: Measurement }[]
  readonly ratios: readonly {
    readonly subject: string
    readonly to: string
    readonly metric: string
    readonly median: number
  }[]
}

/** Those aims of a case whose subjects it has, beside what was measured. */
export function judgeAims(result: MeasuredCase, aims: readonly Aim[]): JudgedAim[] {
  return aims.flatMap(aim => {
    const medians = result.subjects.find(({ subject }) => subject === aim.subject)?.median
    if (medians === undefined) return []
    const measured = aim.to === undefined ? figure(medians, aim.metric) : ratio(result, aim)
    const met =
      measured !== undefined &&
      measured >= (aim.atLeast ?? Number.NEGATIVE_INFINITY) &&
      measured <= (aim.atMost ?? Number.POSITIVE_INFINITY)
    return [{ ...aim, measured, met }]
  })
}

function figure(medians: Measurement, metric: string): number | undefined {
  const value = medians[metric]
  return value === undefined || Number.isNaN(value) ? undefined : value
}

function ratio({ ratios }: MeasuredCase, { subject, to, metric }: Aim): number | undefined {
  return ratios.find(entry => entry.subject === subject && entry.to === to && entry.metric === metric)?.median
}

/** What one figure says of HTTP/3 beside the same client over TCP. */
export interface Http3Verdict {
  /** The one that goes over HTTP/3. */
  readonly subject: string
  /** The one that goes over TCP. */
  readonly to: string
  readonly metric: string
  readonly outcome: Http3Outcome
  /** The former's figure as a multiple of the latter's, round by round. */
  readonly ratio: Ratio
}

/** A share: a median ratio that is closer to 1 counts as 1. */
export const EVEN_WITHIN = 0.02

export type Http3Outcome =
  | 'wins'
  | 'loses'
  /** There is a difference, and it matters to nobody: less than EVEN_WITHIN. */
  | 'even'
  /**
   * The interval has 1 in it, there are too few rounds for one, or whoever looks better has more failures.
   */
  | 'not-shown'

/**
 * What of a subject does not fit into a row: the material of charts. Over all rounds, where it does not say
 * otherwise.
 */
export interface SubjectDetail {
  /** From when a request was due (open loop) or begun (closed loop) to its last byte. */
  readonly latency?: HistogramRecord
  /** From the same moment to the head of the response. */
  readonly firstByte?: HistogramRecord
  /** Of one round: when each object was complete. Bounded. */
  readonly objects?: readonly ObjectTime[]
  /** Of the request with the median latency of one round: what its time went to, in order. */
  readonly phases?: readonly Phase[]
  /** Of one round: how many connections were open. */
  readonly connections?: readonly ConnectionsAt[]
}

/** Times count from the start of the round's load, in ms. */
export interface ObjectTime {
  readonly label: string
  readonly startedAtMs: number
  /** Undefined: it is not reported. */
  readonly firstByteAtMs?: number
  readonly endedAtMs: number
  readonly hasFailed?: boolean
}

/** A span of a request's life; times count from its start. */
export interface Phase {
  readonly name: 'queue' | 'dns' | 'connect' | 'tls' | 'waiting' | 'body'
  readonly startMs: number
  readonly endMs: number
}

export interface ConnectionsAt {
  readonly atMs: number
  readonly open: number
}
