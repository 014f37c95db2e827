import type { ExchangeSample } from './choice-action.ts'
import { Estimate, type EstimateRecord } from './estimate.ts'
import { LARGE_BYTES } from './lane-estimates.ts'

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
