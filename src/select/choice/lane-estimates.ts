import type { ExchangeSample } from './choice-action.ts'
import { Estimate, type EstimateRecord, HALF_LIFE_MS, isFigure } from './estimate.ts'

/**
 * A response below this fits into what a sender may send at once (RFC 6928, RFC 9002 section 7.2: ten
 * packets, some 14 KB), so that its body comes with its head. What lies above takes round trips, bandwidth
 * and its turn among other streams.
 */
export const LARGE_BYTES = 16_384
/** A cold exchange counts for less, and not at all once there are others. */
const COLD_SHARE = 0.25
/**
 * Code that runs for the first time is slow whatever it does: on loopback the first exchange of a process
 * took twenty times as long as the thirtieth.
 */
const REHEARSALS = 3
/** With so much behind it a lane can be compared: two samples that are not old, or some more cold ones. */
const MEASURED_WEIGHT = 1.5
/** Errors in this share of requests, over as many samples, are a failing lane. */
const FAILING_RATE = 0.2
const FAILING_SAMPLES = 5
/** Errors are forgotten sooner than times: half as many samples. */
const ERROR_MEMORY = 16
/** What a protocol costs this machine does not change with the hour. */
const CPU_HALF_LIFE_MS = 86_400_000

const SNAPSHOT = [
  'ttfb',
  'smallBody',
  'msPerByte',
  'errors',
  'stallShare',
  'connections',
  'handshake',
  'rtt',
  'loss',
  'segmentLoss',
  'cpu',
] as const

/**
 * Everything that was measured of one lane. What an exchange took is true of the lane at its speed only if it
 * was not cold:
 * - the first one of its connection, whose windows were small;
 * - a large one that shared a connection with that one, and began before that one ended;
 * - one of the first few that this process ever sent over the lane.
 * Cold ones stand in while there are no others; then they are forgotten, and later ones count for less.
 */
export class LaneEstimates {
  #exchanges = 0
  /** There are times of exchanges that were not cold. */
  #isWarm = false
  /** Large exchanges that began before this were cold. */
  #coldUntil = -Infinity
  /**
   * The next exchange that begins after this is as cold as the first one of a connection. Infinity: none is.
   */
  #resumedAt = Infinity
  /** To the head of a response, in ms. */
  readonly ttfb = new Estimate()
  /** The bodies of small responses, in ms. */
  readonly smallBody = new Estimate()
  /** Large bodies, in ms per byte, as if they had had their connection for themselves. */
  readonly msPerByte = new Estimate()
  /** 0 to 1. */
  readonly errors = new Estimate({ memory: ERROR_MEMORY })
  /** Which share of an exchange's time data sat behind a gap; no samples where the protocol cannot tell. */
  readonly stallShare = new Estimate()
  /** Open connections of the lane. */
  readonly connections = new Estimate()
  readonly handshake = new Estimate()
  readonly rtt = new Estimate()
  /** Of the packets that QUIC sent, 0 to 1. */
  readonly loss = new Estimate()
  /**
   * What the kernel shows of losses over TCP, 0 to 1: segments that were sent again, or came behind a gap.
   */
  readonly segmentLoss = new Estimate()
  /** Of this process, per request, in ms. */
  readonly cpu = new Estimate({ halfLifeMs: CPU_HALF_LIFE_MS })

  /** `meanLargeBytes`: of the origin's large responses; smaller ones say less of how fast those go. */
  onSample(sample: ExchangeSample, meanLargeBytes: number, now: number): void {
    const { ttfbMs, bodyMs, responseBytes } = sample
    this.errors.add(sample.failed ? 1 : 0, now)
    if (sample.failed || !isFigure(ttfbMs) || !isFigure(bodyMs)) return
    const isCold = this.#isCold(sample, now)
    // What could be compared still can.
    const warmShare = !this.#isWarm && this.isMeasured(now) ? MEASURED_WEIGHT : 1
    if (!isCold && !this.#isWarm) this.#onWarm()
    const share = isCold ? COLD_SHARE : warmShare
    this.ttfb.add(ttfbMs, now, share)
    this.connections.add(Math.max(1, sample.laneConnections), now)
    if (responseBytes >= LARGE_BYTES) {
      const alone = bodyMs / (responseBytes * streamsPerConnection(sample))
      this.msPerByte.add(alone, now, share * Math.min(1, responseBytes / meanLargeBytes))
    } else {
      this.smallBody.add(bodyMs, now, share)
    }
    if (sample.stallMs === undefined) return
    const totalMs = ttfbMs + bodyMs
    this.stallShare.add(totalMs > 0 ? Math.min(1, sample.stallMs / totalMs) : 0, now)
  }

  /** Its figures are of connections, and a process, that were at their speed. */
  get isWarm(): boolean {
    return this.#isWarm
  }

  /**
   * The lane had nothing to do for a while, and carries again: its connections' windows may have shrunk (RFC
   * 5681 section 4.1).
   */
  onResumed(now: number): void {
    this.#resumedAt = now
  }

  isMeasured(now: number): boolean {
    return this.ttfb.weightAt(now) >= MEASURED_WEIGHT
  }

  /** Had figures once that are too old to go by. */
  isStale(now: number): boolean {
    return this.ttfb.samples > 0 && this.ttfb.weightAt(now) < 1 && now - this.ttfb.at >= HALF_LIFE_MS
  }

  isFailing(now: number): boolean {
    const { errors } = this
    return errors.samples >= FAILING_SAMPLES && errors.mean > FAILING_RATE && errors.weightAt(now) >= 1
  }

  /** What was measured on the way belongs to another way. CPU does not. */
  onNetworkChanged(): void {
    for (const name of SNAPSHOT) if (name !== 'cpu') this[name].forget()
    this.#isWarm = false
  }

  record(now: number): Record<string, EstimateRecord> {
    const record: Record<string, EstimateRecord> = {}
    for (const name of SNAPSHOT) if (this[name].samples > 0) record[name] = this[name].record(now)
    return record
  }

  /** Takes what is whole of it. */
  restore(record: object, now: number, sinceMs: number): void {
    const known: ReadonlyMap<string, unknown> = new Map(Object.entries(record))
    for (const name of SNAPSHOT) this[name].restore(known.get(name), now, sinceMs)
    for (const share of [this.errors, this.stallShare, this.loss, this.segmentLoss])
      if (share.mean > 1) share.forget()
    this.#isWarm = this.ttfb.samples > 0
  }

  /** Times were those of a process that had just begun: they give way to what comes. */
  fade(): void {
    for (const times of [this.ttfb, this.smallBody, this.msPerByte]) times.fade(MEASURED_WEIGHT)
  }

  #isCold(sample: ExchangeSample, now: number): boolean {
    const { ttfbMs, bodyMs, responseBytes, isFirst } = sample
    this.#exchanges += 1
    const beganAt = now - ttfbMs - bodyMs
    if (isFirst || beganAt >= this.#resumedAt) {
      this.#resumedAt = Infinity
      this.#coldUntil = now
      return true
    }
    if (this.#exchanges <= REHEARSALS) return true
    return responseBytes >= LARGE_BYTES && beganAt < this.#coldUntil && streamsPerConnection(sample) > 1
  }

  #onWarm(): void {
    this.#isWarm = true
    for (const times of [this.ttfb, this.smallBody, this.msPerByte]) times.forget()
  }
}

/** How many exchanges shared a connection of the lane while this one was under way. */
export function streamsPerConnection({
  laneStreams,
  laneConnections,
}: Pick<ExchangeSample, 'laneStreams' | 'laneConnections'>): number {
  // Idle connections take no part: one exchange has one connection, however many are open.
  const each = laneStreams / Math.max(1, laneConnections)
  return each > 1 && each < Infinity ? each : 1
}

/** From this share of responses on, large ones are what an origin is asked for. */
export const MOSTLY = 0.5

const PARTS = ['concurrency', 'largeShare', 'largeBytes', 'streamsPerConnection'] as const

/**
 * What an origin is asked for, whichever lane carries it: predictions of lanes can be compared because all
 * are for this.
 */
export class Workload {
  /** Exchanges that are under way at the same time. */
  readonly concurrency = new Estimate()
  /** The share of responses that are large (0 to 1). */
  readonly largeShare = new Estimate()
  /** The size of a large one. */
  readonly largeBytes = new Estimate()
  /** Exchanges that share a connection of the lane that carries. */
  readonly streamsPerConnection = new Estimate()

  get meanLargeBytes(): number {
    return Math.max(LARGE_BYTES, this.largeBytes.mean)
  }

  /** `carriesAll`: the lane has all of the origin's requests, none is steered elsewhere by a trial. */
  onSample(sample: ExchangeSample, streamsPerConnection: number, carriesAll: boolean, now: number): void {
    if (carriesAll && sample.laneStreams >= 1) {
      this.concurrency.add(sample.laneStreams, now)
      this.streamsPerConnection.add(streamsPerConnection, now)
    }
    if (sample.failed) return
    const isLarge = sample.responseBytes >= LARGE_BYTES
    this.largeShare.add(isLarge ? 1 : 0, now)
    if (isLarge) this.largeBytes.add(sample.responseBytes, now)
  }

  record(now: number): Record<string, EstimateRecord> {
    const record: Record<string, EstimateRecord> = {}
    for (const name of PARTS) if (this[name].samples > 0) record[name] = this[name].record(now)
    return record
  }

  /** Takes what is whole of it. */
  restore(record: object, now: number, sinceMs: number): void {
    const known: ReadonlyMap<string, unknown> = new Map(Object.entries(record))
    for (const name of PARTS) this[name].restore(known.get(name), now, sinceMs)
    if (this.largeShare.mean > 1) this.largeShare.forget()
  }
}
