import type { HistogramRecord } from '../results/histogram.ts'
import type { ConnectionsAt, ObjectTime, Phase } from '../results/subject-detail.ts'
import type { ClientDecision } from './bench-client.ts'

/**
 * What one round of load came to, as the client's process reports it. The warm-up is in nothing but `warmUp`,
 * `opened`, `decisions`, and in `usable` what it left open.
 */
export interface LoadReport {
  readonly requests: number
  readonly failures: number
  /** By what the errors say of themselves: a code or a status. */
  readonly failuresByCode: Readonly<Record<string, number>>
  readonly firstFailure: string | undefined
  readonly latency: HistogramRecord
  readonly firstByte: HistogramRecord
  /** For how long received data was stalled behind losses, of each request; undefined: nobody told. */
  readonly stall: HistogramRecord | undefined
  /** Of bodies that came whole, and of bodies that were sent. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /** From the start of the load to its last end. */
  readonly wallMs: number
  /** User and system time of the client's process meanwhile. */
  readonly cpuMs: number
  readonly rssMiB: number
  /**
   * The most requests that were due and not begun, and the longest that one of them waited: an open loop that
   * falls behind.
   */
  readonly late: { readonly mostWaiting: number; readonly longestMs: number }
  /**
   * By its client since that was made: of a client that is kept, in the rounds before as well, since it is
   * those that it uses.
   */
  readonly opened: HandshakeCounts | undefined
  /**
   * Connections that were open at the start of this round, and those that were opened in it. Undefined: its
   * client cannot tell.
   */
  readonly usable?: number | undefined
  readonly byProtocol: Readonly<Record<string, number>>
  /** In order of their ends; the first MAX_OBJECTS. */
  readonly objects: readonly ObjectTime[]
  /** Of the request with the median latency among those that told. */
  readonly phases: readonly Phase[]
  readonly connections: readonly ConnectionsAt[]
  /** What the warm-up came to; undefined: there was none. */
  readonly warmUp?: WarmUpReport | undefined
  /** Of a client that chooses its protocol. */
  readonly decisions?: readonly ClientDecision[] | undefined
  /** It ended before its time: too much failed, or its deadline came. */
  readonly stoppedBecause: string | undefined
}

export interface WarmUpReport {
  readonly requests: number
  /** Of those that did not fail. */
  readonly meanMs: number
  readonly byProtocol: Readonly<Record<string, number>>
}

/** Connections by how they began. */
export interface HandshakeCounts {
  readonly full: number
  readonly resumed: number
  readonly earlyData: number
  readonly cleartext: number
}

export const MAX_OBJECTS = 500
