import type { OutlierOptions } from '../base/options/health-options.ts'

/** What one endpoint did within an interval. */
export interface IntervalCounts {
  requests: number
  successes: number
  /** Of those that were answered: until the head came, summed up. */
  latencyMs: number
  answered: number
}

/** Why an endpoint stands out. */
export type ComparisonReason = 'success-rate' | 'latency'

/** One that stands out, with words for people. */
export interface Outlier {
  readonly index: number
  readonly reason: ComparisonReason
  readonly because: string
}

/** Below this a difference is chance, however alike the others are. */
const MIN_RATE_GAP = 0.05
/** A difference that nobody would notice ejects nobody. */
const MIN_LATENCY_GAP_MS = 5

type ComparisonOptions = Pick<
  OutlierOptions,
  'successRateFactor' | 'latencyFactor' | 'minRequests' | 'minEndpoints'
>

/**
 * The endpoints that did worse in an interval than the others, the worst first. Each is held against the
 * others without itself: of few endpoints one bad one would widen the deviation that it is measured by (Envoy
 * takes all of them, and needs five for that reason).
 */
export function outliers(counts: ReadonlyMap<number, IntervalCounts>, options: ComparisonOptions): Outlier[] {
  const { successRateFactor, latencyFactor, minRequests, minEndpoints } = options
  const compared = [...counts].filter(([, { requests }]) => requests >= minRequests)
  if (compared.length < minEndpoints) return []
  const found: Outlier[] = []
  if (successRateFactor > 0) {
    const rates = compared.map(([index, { successes, requests }]) => ({ index, value: successes / requests }))
    for (const { index, value, others } of eachAgainstOthers(rates)) {
      const mean = sum(others) / others.length
      const deviation = Math.sqrt(sum(others.map(rate => (rate - mean) ** 2)) / others.length)
      const least = mean - Math.max(MIN_RATE_GAP, successRateFactor * deviation)
      if (value >= least) continue
      const because = `${percent(value)} of its requests succeeded, ${percent(mean)} of the others'`
      found.push({ index, reason: 'success-rate', because })
    }
    found.sort((a, b) => rateOf(counts, a) - rateOf(counts, b))
  }
  if (latencyFactor > 0) {
    const latencies = compared
      .filter(([index, { answered }]) => answered > 0 && !found.some(one => one.index === index))
      .map(([index, { latencyMs, answered }]) => ({ index, value: latencyMs / answered }))
      .sort((a, b) => b.value - a.value)
    if (latencies.length < minEndpoints) return found
    for (const { index, value, others } of eachAgainstOthers(latencies)) {
      const typical = median(others)
      if (value <= typical * latencyFactor || value - typical < MIN_LATENCY_GAP_MS) continue
      const because = `its answers began after ${value.toFixed(1)} ms, the others' after ${typical.toFixed(1)} ms`
      found.push({ index, reason: 'latency', because })
    }
  }
  return found
}

interface Figure {
  readonly index: number
  readonly value: number
}

function* eachAgainstOthers(figures: readonly Figure[]): Iterable<Figure & { others: number[] }> {
  for (const figure of figures) {
    const others = figures.filter(other => other !== figure).map(({ value }) => value)
    yield { ...figure, others }
  }
}

function rateOf(counts: ReadonlyMap<number, IntervalCounts>, { index }: Outlier): number {
  const { successes = 0, requests = 1 } = counts.get(index) ?? {}
  return successes / requests
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
