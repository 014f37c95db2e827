import { Estimate, type EstimateRecord, HALF_LIFE_MS, isFigure } from './estimate.ts'
import type { ExchangeSample } from './exchange-sample.ts'

/**
 * A response below this fits into what a sender may send at once (RFC 6928, RFC 9002 section 7.2: ten packets, some 14 KB), so that its body comes with
 * its head. What lies above takes round trips, bandwidth and its turn among other streams.
 */
export const LARGE_BYTES = 16_384
/** The first exchange of a connection meets small windows; what it tells is true of new connections only. */
const FIRST_SHARE = 0.25
/** With so much behind it a lane can be compared: two samples that are not old, or some more over new connections. */
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
  'cpu',
] as const

/** Everything that was measured of one lane. */
export class LaneEstimates {
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
  /** 0 to 1. */
  readonly loss = new Estimate()
  /** Of this process, per request, in ms. */
  readonly cpu = new Estimate({ halfLifeMs: CPU_HALF_LIFE_MS })

  /** `meanLargeBytes`: of the origin's large responses; smaller ones say less of how fast those go. */
  onSample(sample: ExchangeSample, meanLargeBytes: number, now: number): void {
    const { ttfbMs, bodyMs, responseBytes } = sample
    this.errors.add(sample.failed ? 1 : 0, now)
    if (sample.failed || !isFigure(ttfbMs) || !isFigure(bodyMs)) return
    const share = sample.isFirst ? FIRST_SHARE : 1
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
    for (const share of [this.errors, this.stallShare, this.loss]) if (share.mean > 1) share.forget()
  }
}

/** How many exchanges shared a connection of the lane while this one was under way. */
export function streamsPerConnection({ laneStreams, laneConnections }: ExchangeSample): number {
  // Idle connections take no part: one exchange has one connection, however many are open.
  const each = laneStreams / Math.max(1, laneConnections)
  return each > 1 && each < Infinity ? each : 1
}
