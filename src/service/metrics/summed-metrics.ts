/** One metric of one process, as a registry of prom-client gives it and JSON carries it. */
export interface MetricSnapshot {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly values: readonly MetricValue[]
}

interface MetricValue {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  /** JSON has no NaN and no infinity: null. */
  readonly value: number | null
}

type Aggregation = 'sum' | 'mean' | 'max' | 'min'

/** How the gauges of workers make one of the host where a sum would say nothing. */
const GAUGE_AGGREGATIONS: Readonly<Record<string, Aggregation>> = {
  middlemile_build_info: 'max',
  middlemile_config_last_reload_successful: 'min',
  middlemile_config_last_reload_success_timestamp_seconds: 'min',
  middlemile_certificate_expiry_timestamp_seconds: 'min',
  middlemile_h3_status: 'max',
  middlemile_idle_horizon_seconds: 'min',
  middlemile_objective_missed: 'max',
  middlemile_reuse_rate: 'mean',
  middlemile_reuse_ratio: 'mean',
  middlemile_rtt_seconds: 'mean',
  middlemile_loss_ratio: 'mean',
  middlemile_out_of_order_ratio: 'mean',
  middlemile_backing_off: 'max',
  // One ceiling for all workers.
  middlemile_protection_max_connections: 'max',
  // Each worker finds out for itself: 1 while any of them can connect.
  middlemile_endpoint_up: 'max',
  // Each worker looks names up for itself.
  middlemile_endpoint_name_addresses: 'max',
  middlemile_endpoint_name_ignored_addresses: 'max',
  middlemile_egress_current: 'max',
  middlemile_egress_backoff_seconds: 'max',
  // The ports of one machine.
  middlemile_local_ports_budget: 'max',
}

/** What a worker shows of itself: its name is the label. */
interface WorkerMetrics {
  readonly worker: string
  readonly metrics: readonly MetricSnapshot[]
}

/** One line of a scrape, with what each process counted. */
interface Series {
  readonly name: string
  readonly labels: MetricValue['labels']
  readonly values: number[]
  /** The name of its metric. */
  readonly of: string
}

function emptySeries(metric: MetricSnapshot, { metricName = metric.name, labels }: MetricValue): Series {
  return { name: metricName, labels, values: [], of: metric.name }
}

/** Metrics of single processes, which keep their names and gain a label. */
const OF_PROCESS = /^(?:process|nodejs)_/
/** These also stand for each worker, under a name of their own: a sum counts each once. */
const SHOWN_BY_WORKER: ReadonlyMap<string, readonly [name: string, help: string]> = new Map([
  [
    'middlemile_ingress_requests_total',
    ['middlemile_worker_requests_total', 'Requests of clients, by worker'],
  ],
  ['middlemile_ingress_connections', ['middlemile_worker_connections', 'Connections of clients, by worker']],
])

/**
 * The metrics of all workers as those of one service. What ended workers have counted goes on counting: a
 * counter that fell with each replacement would look like a restart of the whole.
 */
export class SummedMetrics {
  /** By series: what workers had counted that are gone. */
  readonly #ended = new Map<string, Series>()
  /** By worker, what it last showed. */
  readonly #last = new Map<number, readonly MetricSnapshot[]>()

  /** A worker has shown its metrics. `id` is the process. */
  onShown(id: number, metrics: readonly MetricSnapshot[]): void {
    this.#last.set(id, metrics)
  }

  /** A worker has ended: what it showed last is all that is known of it. */
  onEnded(id: number): void {
    for (const metric of this.#last.get(id) ?? []) {
      if (!isCounting(metric)) continue
      for (const value of metric.values) {
        const key = seriesKey(metric, value)
        const { name, labels, values } = this.#ended.get(key) ?? emptySeries(metric, value)
        this.#ended.set(key, {
          name,
          labels,
          values: [(values[0] ?? 0) + (value.value ?? 0)],
          of: metric.name,
        })
      }
    }
    this.#last.delete(id)
  }

  /**
   * The text of a scrape: the sum of `workers`, then what is of single processes, with the label `worker`.
   */
  text(workers: readonly WorkerMetrics[]): string {
    const lines: string[] = []
    const byName = new Map<
      string,
      { metric: MetricSnapshot; of: { worker: string; metric: MetricSnapshot }[] }
    >()
    for (const { worker, metrics } of workers) {
      for (const metric of metrics) {
        const entry = byName.get(metric.name) ?? { metric, of: [] }
        entry.of.push({ worker, metric })
        byName.set(metric.name, entry)
      }
    }
    for (const { metric, of } of byName.values()) {
      if (OF_PROCESS.test(metric.name)) {
        head(lines, metric, metric.name)
        for (const one of of) eachOf(lines, one, metric.name)
        continue
      }
      head(lines, metric, metric.name)
      for (const { name, labels, value } of this.#sum(
        metric,
        of.map(one => one.metric),
      ))
        lines.push(sampleLine(name, labels, value))
      const [ownName, help] = SHOWN_BY_WORKER.get(metric.name) ?? []
      if (ownName === undefined || help === undefined) continue
      head(lines, { ...metric, help }, ownName)
      for (const one of of) eachOf(lines, one, ownName)
    }
    return `${lines.join('\n')}\n`
  }

  #sum(metric: MetricSnapshot, parts: readonly MetricSnapshot[]) {
    const aggregation = isCounting(metric) ? 'sum' : (GAUGE_AGGREGATIONS[metric.name] ?? 'sum')
    const series = new Map<string, Series>()
    for (const [key, ended] of this.#ended)
      if (ended.of === metric.name) series.set(key, { ...ended, values: [...ended.values] })
    for (const part of parts) {
      for (const value of part.values) {
        const key = seriesKey(part, value)
        const entry = series.get(key) ?? emptySeries(part, value)
        entry.values.push(value.value ?? Number.NaN)
        series.set(key, entry)
      }
    }
    return [...series.values()].map(({ name, labels, values }) => ({
      name,
      labels,
      value: aggregated(values, aggregation),
    }))
  }
}

/** One process' metrics as a registry writes them, with nothing added. */
export function metricsText(metrics: readonly MetricSnapshot[]): string {
  const lines: string[] = []
  for (const metric of metrics) {
    head(lines, metric, metric.name)
    for (const { metricName = metric.name, labels, value } of metric.values)
      lines.push(sampleLine(metricName, labels, value ?? Number.NaN))
  }
  return `${lines.join('\n')}\n`
}

function isCounting({ type }: MetricSnapshot): boolean {
  return type !== 'gauge'
}

function aggregated(values: readonly number[], aggregation: Aggregation): number {
  if (aggregation === 'max') return Math.max(...values)
  if (aggregation === 'min') return Math.min(...values)
  const sum = values.reduce((total, value) => total + value, 0)
  return aggregation === 'sum' ? sum : sum / values.length
}

function seriesKey(metric: MetricSnapshot, { metricName = metric.name, labels }: MetricValue): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([metricName, sorted])
}

function eachOf(
  lines: string[],
  { worker, metric }: { worker: string; metric: MetricSnapshot },
  name: string,
): void {
  for (const { metricName = metric.name, labels, value } of metric.values) {
    const shown = name === metric.name ? metricName : name
    lines.push(sampleLine(shown, { ...labels, worker }, value ?? Number.NaN))
  }
}

function head(lines: string[], { help, type }: MetricSnapshot, name: string): void {
  lines.push(
    `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
    `# TYPE ${name} ${type}`,
  )
}

/** The text format of Prometheus, version 0.0.4. */
function sampleLine(name: string, labels: MetricValue['labels'], value: number): string {
  const shown = Object.entries(labels).map(([label, text]) => `${label}="${escaped(String(text))}"`)
  return `${name}${shown.length === 0 ? '' : `{${shown.join(',')}}`} ${numberText(value)}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
