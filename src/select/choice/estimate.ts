/** A mean of the last samples remembers about twice as many as this; the first ones are a plain mean. */
const DEFAULT_MEMORY = 32
/** What is not reported counts half as much after this, and a quarter after twice this. */
export const HALF_LIFE_MS = 300_000
/** Decay is not worth computing for less: it is below half a percent. */
const DECAY_FROM_MS = 2_000
/**
 * Where few samples vary little by chance, the truth may vary by this share of the mean; counted as two
 * samples.
 */
const PRIOR_SHARE = 0.25
const PRIOR_WEIGHT = 2
/** Samples lie on one side of the mean, by about a deviation each: the mean reports what was. */
const DRIFT_LIMIT = 0.8
/** Samples, as they are counted, from which on a drift is looked for. */
const DRIFT_FROM = 4

const MAX_FIGURE = 1e12

export interface EstimateOptions {
  readonly memory?: number
  readonly halfLifeMs?: number
}

/** Figures of a lane are never negative, and none is beyond reason: a clock that jumped, a damaged file. */
export function isFigure(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= MAX_FIGURE
}

/** What is left of an estimate on disk. */
export type EstimateRecord = readonly [
  mean: number,
  deviation: number,
  weight: number,
  ageMs: number,
  samples: number,
]

/**
 * The mean of a figure that changes over time, how much it varies, and how many samples stand behind it.
 *
 * RFC 6298 gives each new round-trip time a weight of 1/8. That follows changes at once, but stands for 15
 * samples only (variance of such a mean: g / (2 - g)), and where losses make one request in ten take five
 * times as long, lanes that differ by a third cannot be told apart by 15 samples. So the gain here falls to
 * 1/32, and changes are looked for separately: when samples keep lying on one side (an EWMA with 1/8 of their
 * distance in deviations, each cut off at 2, so that single outliers are none), what was learned before
 * counts for one sample only.
 *
 * Weight is the number of samples, less what age took off: it fades by half in each half-life, so that new
 * samples outweigh old ones soon.
 */
export class Estimate {
  readonly #minGain: number
  readonly #maxWeight: number
  readonly #halfLifeMs: number
  #mean = 0
  #variance = 0
  #weight = 0
  #drift = 0
  #at = 0
  #samples = 0

  constructor({ memory = DEFAULT_MEMORY, halfLifeMs = HALF_LIFE_MS }: EstimateOptions = {}) {
    this.#minGain = 1 / memory
    this.#maxWeight = 2 * memory - 1
    this.#halfLifeMs = halfLifeMs
  }

  /** 0 while there is no sample. */
  get mean(): number {
    return this.#mean
  }

  /** The standard deviation of the samples. */
  get deviation(): number {
    return Math.sqrt(this.#variance)
  }

  /** All that ever came. */
  get samples(): number {
    return this.#samples
  }

  /** When the last one came. */
  get at(): number {
    return this.#at
  }

  /** A sample that says less than others has a `share` below 1. One that is no figure is none. */
  add(value: number, now: number, share = 1): void {
    if (!isFigure(value)) return
    let weight = this.weightAt(now)
    const delta = value - this.#mean
    if (weight >= DRIFT_FROM && this.#hasDrifted(delta, share)) weight = 1
    const gain = share * Math.max(this.#minGain, 1 / (weight + share))
    this.#mean += gain * delta
    this.#variance = (1 - gain) * (this.#variance + gain * delta * delta)
    this.#weight = Math.min(weight + share, this.#maxWeight)
    this.#at = now
    this.#samples += 1
  }

  /** How many samples the mean stands for, now that they have aged. */
  weightAt(now: number): number {
    const ageMs = now - this.#at
    return ageMs < DECAY_FROM_MS ? this.#weight : this.#weight * 2 ** (-ageMs / this.#halfLifeMs)
  }

  /** The standard error of the mean; Infinity while nothing stands behind it. */
  errorAt(now: number): number {
    const weight = this.weightAt(now)
    if (weight <= 0) return Infinity
    const prior = (PRIOR_SHARE * this.#mean) ** 2
    const variance = (this.#variance * weight + prior * PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT)
    return Math.sqrt(variance / weight)
  }

  /** What was learned so far counts for no more samples than this. */
  fade(weight: number): void {
    this.#weight = Math.min(weight, this.#weight)
  }

  /** Nothing of it is true any more. */
  forget(): void {
    this.#mean = 0
    this.#variance = 0
    this.#weight = 0
    this.#drift = 0
    this.#samples = 0
  }

  record(now: number): EstimateRecord {
    const ageMs = Math.round(Math.max(0, now - this.#at))
    return [short(this.#mean), short(this.deviation), short(this.#weight), ageMs, this.#samples]
  }

  /** Takes what `record` gave, `sinceMs` after that. False: it is damaged, and nothing was taken. */
  restore(record: unknown, now: number, sinceMs: number): boolean {
    if (!Array.isArray(record) || record.length !== 5 || !record.every(isFigure)) return false
    const [mean = 0, deviation = 0, weight = 0, ageMs = 0, samples = 0]: number[] = record
    this.#mean = mean
    this.#variance = deviation * deviation
    this.#weight = Math.min(weight, this.#maxWeight)
    this.#drift = 0
    this.#at = now - ageMs - sinceMs
    this.#samples = Math.floor(samples)
    return true
  }

  #hasDrifted(delta: number, share: number): boolean {
    const deviation = Math.max(Math.sqrt(this.#variance), 0.05 * this.#mean)
    const distance = deviation === 0 ? Math.sign(delta) * 2 : delta / deviation
    this.#drift += (Math.max(-2, Math.min(2, distance)) - this.#drift) * 0.125 * share
    if (Math.abs(this.#drift) < DRIFT_LIMIT) return false
    this.#drift = 0
    return true
  }
}

/** Four digits are more than any of these figures is good for. */
function short(value: number): number {
  return Number(value.toPrecision(4))
}
