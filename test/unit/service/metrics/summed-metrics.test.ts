import { describe, expect, it } from 'vitest'
import {
  type MetricSnapshot,
  metricsText,
  SummedMetrics,
} from '../../../../src/service/metrics/summed-metrics.ts'
import { parsePrometheusText } from '../../../support/prometheus-text.ts'

function counter(value: number, origin = 'shop'): MetricSnapshot {
  return {
    name: 'requests_total',
    help: 'Requests',
    type: 'counter',
    values: [{ labels: { origin }, value }],
  }
}

function gauge(name: string, value: number | null): MetricSnapshot {
  return { name, help: 'A level', type: 'gauge', values: [{ labels: {}, value }] }
}

const page = (text: string) => parsePrometheusText(text)

describe('the metrics of several workers', () => {
  it('are added up, series by series, whatever the order of labels', () => {
    const metrics = new SummedMetrics()
    const one: MetricSnapshot = { ...counter(0), values: [{ labels: { a: '1', b: '2' }, value: 3 }] }
    const two: MetricSnapshot = {
      ...counter(0),
      values: [
        { labels: { b: '2', a: '1' }, value: 4 },
        { labels: { a: '2', b: '2' }, value: 5 },
      ],
    }
    const shown = page(
      metrics.text([
        { worker: '1', metrics: [one] },
        { worker: '2', metrics: [two] },
      ]),
    )
    expect(shown.samples.map(({ labels, value }) => [labels, value])).toEqual([
      [{ a: '1', b: '2' }, 7],
      [{ a: '2', b: '2' }, 5],
    ])
  })

  it('add histograms by bucket, sum and count', () => {
    const histogram = (count: number): MetricSnapshot => ({
      name: 'took_seconds',
      help: 'Time',
      type: 'histogram',
      values: [
        { metricName: 'took_seconds_bucket', labels: { le: '1' }, value: count },
        { metricName: 'took_seconds_bucket', labels: { le: '+Inf' }, value: count },
        { metricName: 'took_seconds_sum', labels: {}, value: count / 2 },
        { metricName: 'took_seconds_count', labels: {}, value: count },
      ],
    })
    const text = new SummedMetrics().text([
      { worker: '1', metrics: [histogram(2)] },
      { worker: '2', metrics: [histogram(4)] },
    ])
    expect(text).toContain('took_seconds_bucket{le="+Inf"} 6\ntook_seconds_sum 3\ntook_seconds_count 6\n')
  })

  it('use the mean, the maximum or the minimum of gauges that cannot be added', () => {
    const names = [
      'middlemile_reuse_rate',
      'middlemile_backing_off',
      'middlemile_config_last_reload_successful',
      'x',
    ]
    const of = (value: number) => names.map(name => gauge(name, value))
    const shown = page(
      new SummedMetrics().text([
        { worker: '1', metrics: of(0) },
        { worker: '2', metrics: of(1) },
      ]),
    )
    expect(names.map(name => shown.sum(name))).toEqual([0.5, 1, 0, 1])
  })

  it('keep the counters of workers that have ended', () => {
    const metrics = new SummedMetrics()
    metrics.onShown(1, [counter(10), counter(1, 'gone'), gauge('level', 9)])
    metrics.onEnded(1)
    metrics.onShown(2, [counter(5)])
    metrics.onEnded(2)
    const shown = page(metrics.text([{ worker: '1', metrics: [counter(2), gauge('level', 1)] }]))
    expect(shown.sum('requests_total', { origin: 'shop' })).toBe(17)
    expect(shown.sum('requests_total', { origin: 'gone' })).toBe(1)
    expect(shown.sum('level')).toBe(1)
    // What was shown once is counted once.
    expect(page(metrics.text([{ worker: '1', metrics: [counter(2)] }])).sum('requests_total')).toBe(18)
  })

  it('show values of single processes by worker, and requests and connections of each as well', () => {
    const of = (value: number) => [
      gauge('process_resident_memory_bytes', value),
      { ...counter(value), name: 'middlemile_ingress_requests_total' },
    ]
    const shown = page(
      new SummedMetrics().text([
        { worker: '1', metrics: of(1) },
        { worker: '2', metrics: of(2) },
      ]),
    )
    expect(shown.sum('process_resident_memory_bytes', { worker: '2' })).toBe(2)
    expect(shown.sum('middlemile_ingress_requests_total')).toBe(3)
    expect(shown.sum('middlemile_worker_requests_total', { worker: '1' })).toBe(1)
  })

  it('write values that JSON has no number for, and escape labels', () => {
    expect(metricsText([gauge('level', null)])).toContain('\nlevel NaN\n')
    const odd: MetricSnapshot = { ...counter(1), values: [{ labels: { a: 'b"\\\n' }, value: 1 }] }
    expect(metricsText([odd])).toContain('requests_total{a="b\\"\\\\\\n"} 1\n')
  })
})
