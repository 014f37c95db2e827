import type { JudgedAim } from './aims.ts'
import type { Ratio } from './estimates.ts'
import type { Http3Verdict } from './http3-verdict.ts'
import type { Measurement } from './measurement.ts'
import type { SubjectDetail } from './subject-detail.ts'

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

/** What passed between two readings. */
export function wireBetween(before: WireBytes, after: WireBytes): WireBytes {
  return {
    sentBytes: after.sentBytes - before.sentBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
  }
}
