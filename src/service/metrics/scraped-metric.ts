import type { Metric, Registry } from 'prom-client'
import type { DurationHistogram } from './duration-histogram.ts'

export type Labels = Readonly<Record<string, string>>

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
    get: async () => ({ name, help, type, values: [...collect()] }),
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
  registry.registerMetric(metric as unknown as Metric) // a registry reads name and get() and no more; its type asks for its own classes
}
