import type { Metric, Registry } from 'prom-client'
import type { Protocol } from '../../index.ts'

/** The protocol of an origin; none: it came to no connection. */
export type ProtocolLabel = Protocol | 'none'

export type Labels = Readonly<Record<string, string>>

/**
 * A word of ours as a label value: snake_case (`idle_timeout`, `failed_recently`), as `early_data` is. Names
 * that have a home elsewhere stay as they are: protocols (`http/1.1`), error codes, configuration options.
 */
function labelWord(word: string): string {
  return word
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase()
}

/** Labels whose values are words of ours. */
const WORD_LABELS = [
  'reason',
  'outcome',
  'handshake',
  'status',
  'lane',
  'rule',
  'winner',
  'source',
  'cause',
] as const

function styled(sample: Sample): Sample {
  const words: Record<string, string> = {}
  for (const label of WORD_LABELS) {
    const word = sample.labels[label]
    if (word !== undefined) words[label] = labelWord(word)
  }
  return { labels: { ...sample.labels, ...words }, value: sample.value }
}

/** One line of a scrape. */
export interface Sample {
  labels: Labels
  value: number
}

/**
 * Registers a metric whose values are made when it is scraped. prom-client's own Counter and Gauge hash their
 * labels on each increment; here the counting is done elsewhere by plain numbers, and the registry sees the
 * part of their interface that it reads.
 */
export function registerScraped(
  registry: Registry,
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  collect: () => Iterable<Sample>,
): void {
  register(registry, {
    name,
    help,
    type,
    aggregator: 'sum',
    get: async () => ({ name, help, type, values: Array.from(collect(), styled) }),
  })
}

/** The same for histograms: buckets, sum and count of each label set. */
export function registerScrapedHistogram(
  registry: Registry,
  name: string,
  help: string,
  collect: () => Iterable<{ labels: Labels; histogram: DurationHistogram }>,
): void {
  const type = 'histogram'
  const get = async () => {
    const values: ScrapedValue[] = []
    for (const { labels, histogram } of collect()) {
      for (const { upTo, count } of histogram.cumulative()) {
        values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: String(upTo) }, value: count })
      }
      values.push({ metricName: `${name}_sum`, labels, value: histogram.sumSeconds })
      values.push({ metricName: `${name}_count`, labels, value: histogram.count })
    }
    return { name, help, type, values }
  }
  register(registry, { name, help, type, aggregator: 'sum', get })
}

interface ScrapedValue extends Sample {
  metricName?: string
}

interface ScrapedMetric {
  name: string
  help: string
  type: string
  aggregator: 'sum'
  get(): Promise<{ name: string; help: string; type: string; values: ScrapedValue[] }>
}

function register(registry: Registry, metric: ScrapedMetric): void {
  registry.registerMetric(metric as unknown as Metric) // a registry needs name and get()
}

/**
 * Counters that differ in one word (a status class, a reason). The words are few and known to the code, so
 * that the set is bounded by itself.
 */
export class CounterSet<Word extends string> {
  readonly #counts = new Map<Word, number>()

  add(word: Word, amount = 1): void {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + amount)
  }

  get(word: Word): number {
    return this.#counts.get(word) ?? 0
  }

  entries(): IterableIterator<[Word, number]> {
    return this.#counts.entries()
  }
}

/**
 * Upper bounds in seconds: half a millisecond on a loopback to a minute of a slow origin, each about twice
 * the last.
 */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

const BOUNDS_MS: Float64Array = Float64Array.from(DURATION_BUCKETS_SECONDS, seconds => seconds * 1000)

/**
 * A histogram with fixed buckets. Observing is a short search and two additions; sums and text are made when
 * it is scraped.
 */
export class DurationHistogram {
  /** How many fell into each bucket and in no lower one; the last one has no upper bound. */
  readonly #counts = new Float64Array(BOUNDS_MS.length + 1)
  #sumMs = 0

  observe(durationMs: number): void {
    let bucket = 0
    // Most exchanges end in one of the first buckets, where a linear search beats a binary one.
    while (bucket < BOUNDS_MS.length && durationMs > (BOUNDS_MS[bucket] as number)) bucket++ // in range
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1 // bucket <= BOUNDS_MS.length
    this.#sumMs += durationMs
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  get sumSeconds(): number {
    return this.#sumMs / 1000
  }

  /** As Prometheus wants it: each bucket counts everything up to its bound; `+Inf` is all. */
  cumulative(): { upTo: number | '+Inf'; count: number }[] {
    let count = 0
    return Array.from(this.#counts, (inBucket, index) => {
      count += inBucket
      return { upTo: DURATION_BUCKETS_SECONDS[index] ?? '+Inf', count }
    })
  }
}
