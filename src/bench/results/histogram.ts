import { rankOf } from './statistics.ts'

/** 1 h. What is longer is counted as that, and reported. */
export const MAX_RECORDED_US = 3_600_000_000

/*
 * Theory of operation, after Gil Tene's HdrHistogram. Whole microseconds fall into buckets whose width
 * doubles from octave to octave. Each octave has 1024 of them, the first two are one microsecond wide, so
 * that a bucket is never wider than 1/1024 of what it holds: three significant digits at any scale, in an
 * array of fixed length, and the index of a value is a shift away.
 */
const BUCKET_BITS = 10
const BUCKETS_PER_OCTAVE = 1 << BUCKET_BITS
const LENGTH = indexOf(MAX_RECORDED_US) + 1

/**
 * Counts durations in fixed memory (180 KiB). What it reports is in ms; a duration is known to a microsecond
 * (a fraction counts as a whole one) or to 0.1 %, whichever is more.
 */
export class Histogram {
  readonly #counts = new Float64Array(LENGTH)
  #count = 0
  #sumUs = 0
  #minUs = Number.POSITIVE_INFINITY
  #maxUs = 0
  #aboveMaximum = 0

  static fromRecord(record: HistogramRecord): Histogram {
    const histogram = new Histogram()
    histogram.add(record)
    return histogram
  }

  /** Throws a RangeError for what is no duration: negative, or not a number. */
  record(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a histogram was given ${ms} ms`)
    const us = this.#clamp(wholeMicroseconds(ms))
    const index = indexOf(us)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#count++
    this.#sumUs += Math.min(ms * 1000, MAX_RECORDED_US)
    this.#widen(us, us)
  }

  /** What another one counted, as if it had been recorded here. */
  add(record: HistogramRecord): void {
    if (record.count === 0) return
    for (const [us, count] of record.buckets) {
      const index = indexOf(Math.min(us, MAX_RECORDED_US))
      this.#counts[index] = (this.#counts[index] ?? 0) + count
      this.#count += count
      this.#sumUs += us * count
    }
    this.#aboveMaximum += record.aboveMaximum ?? 0
    this.#widen(record.minUs, record.maxUs)
  }

  /**
   * In ms: that share (0 to 1) of all is no longer. The upper edge of a bucket: at most a microsecond or 0.1
   * % above the exact value, never below. NaN of none.
   */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN
    let left = rankOf(share, this.#count)
    for (const [index, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return Math.min(lowestOf(index) + widthOf(index) - 1, this.#maxUs) / 1000
    }
    return this.#maxUs / 1000
  }

  get count(): number {
    return this.#count
  }

  /** Exact to the microsecond. NaN of none. */
  get minMs(): number {
    return this.#count === 0 ? Number.NaN : this.#minUs / 1000
  }

  /** Exact to the microsecond. NaN of none. */
  get maxMs(): number {
    return this.#count === 0 ? Number.NaN : this.#maxUs / 1000
  }

  /**
   * Exact of what was recorded here; what was added counts as the middle of its bucket (0.05 %, and the
   * microsecond it was rounded up to). NaN of none.
   */
  get meanMs(): number {
    return this.#count === 0 ? Number.NaN : this.#sumUs / this.#count / 1000
  }

  /** How many were longer than MAX_RECORDED_US and are counted as that. */
  get aboveMaximum(): number {
    return this.#aboveMaximum
  }

  toRecord(): HistogramRecord {
    const buckets: [number, number][] = []
    for (const [index, count] of this.#counts.entries()) {
      if (count > 0) buckets.push([middleOf(index), count])
    }
    return {
      buckets,
      count: this.#count,
      minUs: this.#count === 0 ? 0 : this.#minUs,
      maxUs: this.#maxUs,
      ...(this.#aboveMaximum > 0 && { aboveMaximum: this.#aboveMaximum }),
    }
  }

  #clamp(us: number): number {
    if (us <= MAX_RECORDED_US) return us
    this.#aboveMaximum++
    return MAX_RECORDED_US
  }

  #widen(minUs: number, maxUs: number): void {
    this.#minUs = Math.min(this.#minUs, minUs)
    this.#maxUs = Math.max(this.#maxUs, maxUs)
  }
}

/** Rounded up, but for the dust that multiplying leaves: 1.001 ms times 1000 is 1000.9999999999999. */
function wholeMicroseconds(ms: number): number {
  return Math.ceil(ms * 1000 - 1e-6)
}

/** `us` is whole and fits into 32 bits, as MAX_RECORDED_US does. */
function indexOf(us: number): number {
  const octave = Math.max(0, 32 - Math.clz32(us) - (BUCKET_BITS + 1))
  return octave * BUCKETS_PER_OCTAVE + (us >>> octave)
}

function octaveOf(index: number): number {
  return Math.max(0, (index >> BUCKET_BITS) - 1)
}

/** In whole microseconds, as widthOf and middleOf are. */
function lowestOf(index: number): number {
  const octave = octaveOf(index)
  return (index - octave * BUCKETS_PER_OCTAVE) * 2 ** octave // beyond 2^31 a shift would turn negative
}

function widthOf(index: number): number {
  return 2 ** octaveOf(index)
}

function middleOf(index: number): number {
  return lowestOf(index) + (widthOf(index) >> 1)
}

/**
 * A histogram as results keep it: [the middle of a bucket in microseconds, how many values fell into it],
 * sparse, ascending.
 */
export interface HistogramRecord {
  readonly buckets: readonly (readonly [us: number, count: number])[]
  readonly count: number
  /** Exact, in microseconds; 0 of none. */
  readonly minUs: number
  readonly maxUs: number
  /**
   * So many were longer than a histogram can tell (MAX_RECORDED_US) and are counted as that. Undefined: none.
   */
  readonly aboveMaximum?: number
}
