import type { HistogramRecord } from './histogram.ts'

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
  /** Undefined: it is not told. */
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
