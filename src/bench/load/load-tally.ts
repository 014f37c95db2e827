import { Histogram, type HistogramRecord } from '../results/histogram.ts'
import type { ConnectionsAt, ObjectTime, Phase } from '../results/scenario-result.ts'
import type { ClientDecision, HandshakeCounts, RequestEnd } from './bench-client.ts'
import type { RequestKind } from './load-job.ts'

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
  /** For how long received data was stalled behind losses, of each request; undefined: nobody reported it. */
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
  /** Of the request with the median latency among those that reported it. */
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

export const MAX_OBJECTS = 500

/** When one request was due, had its head, and ended; on the clock of the load. */
export interface RequestTimes {
  readonly dueAt: number
  readonly headAt: number | undefined
  readonly endedAt: number
}

/** With fewer ends than this nobody can say that too many fail. */
const ENOUGH_REQUESTS = 50
const TOO_MANY = 0.2
/** The code of those that were due and never begun. */
const NOT_BEGUN = 'not-begun'

/** Counts the ends of one round's requests. */
export class LoadTally {
  readonly isCountOnly: boolean
  readonly #startedAt: number
  readonly #latency = new Histogram()
  readonly #firstByte = new Histogram()
  #stall: Histogram | undefined
  readonly #failuresByCode: Record<string, number> = {}
  readonly #byProtocol: Record<string, number> = {}
  readonly #objects: ObjectTime[] = []
  readonly #phases: { ms: number; phases: readonly Phase[] }[] = []
  #requests = 0
  #failures = 0
  #firstFailure: string | undefined
  #receivedBytes = 0
  #sentBytes = 0
  #lastEndAt: number

  /** `isCountOnly`: see LoadJob. */
  constructor(startedAt: number, isCountOnly = false) {
    this.isCountOnly = isCountOnly
    this.#startedAt = startedAt
    this.#lastEndAt = startedAt
  }

  /** More than a fifth of at least 50. */
  get isFailing(): boolean {
    return this.#requests >= ENOUGH_REQUESTS && this.#failures > TOO_MANY * this.#requests
  }

  get firstFailure(): string | undefined {
    return this.#firstFailure
  }

  /** Of a warm-up; undefined: nothing was asked. */
  get warmUp(): WarmUpReport | undefined {
    if (this.#requests === 0) return undefined
    return { requests: this.#requests, meanMs: this.#latency.meanMs, byProtocol: this.#byProtocol }
  }

  record(request: RequestKind, times: RequestTimes, end: RequestEnd): void {
    this.#requests++
    this.#lastEndAt = Math.max(this.#lastEndAt, times.endedAt)
    if (end.protocol !== undefined) this.#byProtocol[end.protocol] = (this.#byProtocol[end.protocol] ?? 0) + 1
    const failure = failureOf(request, end)
    if (!this.isCountOnly) this.#keepObject(request.label, times, failure !== undefined)
    if (failure !== undefined) {
      this.#failures++
      this.#failuresByCode[failure.code] = (this.#failuresByCode[failure.code] ?? 0) + 1
      this.#firstFailure ??= failure.message
      return
    }
    this.#receivedBytes += end.bytes
    this.#sentBytes += request.body?.byteLength ?? request.uploadBytes ?? 0
    if (this.isCountOnly) return
    const ms = times.endedAt - times.dueAt
    this.#latency.record(ms)
    if (times.headAt !== undefined) this.#firstByte.record(times.headAt - times.dueAt)
    if (end.stallMs !== undefined) (this.#stall ??= new Histogram()).record(end.stallMs)
    if (end.phases !== undefined && this.#phases.length < MAX_OBJECTS)
      this.#phases.push({ ms, phases: end.phases() })
  }

  /** They were due and never begun. */
  recordUnbegun(count: number): void {
    if (count === 0) return
    this.#requests += count
    this.#failures += count
    this.#failuresByCode[NOT_BEGUN] = (this.#failuresByCode[NOT_BEGUN] ?? 0) + count
    this.#firstFailure ??= 'due, and not begun before it ended'
  }

  report(): Pick<
    LoadReport,
    | 'requests'
    | 'failures'
    | 'failuresByCode'
    | 'firstFailure'
    | 'latency'
    | 'firstByte'
    | 'stall'
    | 'receivedBytes'
    | 'sentBytes'
    | 'wallMs'
    | 'byProtocol'
    | 'objects'
    | 'phases'
  > {
    const byTime = this.#phases.sort((a, b) => a.ms - b.ms)
    return {
      requests: this.#requests,
      failures: this.#failures,
      failuresByCode: this.#failuresByCode,
      firstFailure: this.#firstFailure,
      latency: this.#latency.toRecord(),
      firstByte: this.#firstByte.toRecord(),
      stall: this.#stall?.toRecord(),
      receivedBytes: this.#receivedBytes,
      sentBytes: this.#sentBytes,
      wallMs: this.#lastEndAt - this.#startedAt,
      byProtocol: this.#byProtocol,
      objects: this.#objects,
      phases: byTime[(byTime.length - 1) >> 1]?.phases ?? [],
    }
  }

  #keepObject(label: string, { dueAt, headAt, endedAt }: RequestTimes, hasFailed: boolean): void {
    if (this.#objects.length >= MAX_OBJECTS) return
    this.#objects.push({
      label,
      startedAtMs: dueAt - this.#startedAt,
      ...(headAt !== undefined && { firstByteAtMs: headAt - this.#startedAt }),
      endedAtMs: endedAt - this.#startedAt,
      ...(hasFailed && { hasFailed }),
    })
  }
}

/** What was wrong with an end, if something was. */
function failureOf(
  { expectedStatus = 200, expectedBytes }: RequestKind,
  { status, bytes, error }: RequestEnd,
): { code: string; message: string } | undefined {
  if (error !== undefined) {
    const { code } = error as { code?: unknown } // Node, undici and ourselves put one there
    return {
      code: typeof code === 'string' ? code : error.name,
      message: `${typeof code === 'string' ? `${code}: ` : ''}${error.message}`,
    }
  }
  if (status !== expectedStatus) return { code: `status-${status}`, message: `status ${status}` }
  if (expectedBytes !== undefined && bytes !== expectedBytes)
    return { code: 'length', message: `a body of ${bytes} bytes instead of ${expectedBytes}` }
  return undefined
}
