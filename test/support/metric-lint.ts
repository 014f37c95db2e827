import type { MetricsPage } from './prometheus-text.ts'

const ABBREVIATED = /(?:^|_)(?:s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(?:_|$)/
const NOT_BASE = /(?:^|_)(?:milliseconds|minutes|hours|days|kilobytes|megabytes|kibibytes|percent)(?:_|$)/
const TYPE_IN_NAME = /(?:^|_)(?:counter|gauge|histogram|summary)(?:_|$)/

/**
 * What `promtool check metrics` complains of in names, types and labels (github.com/prometheus/client_golang,
 * prometheus/testutil/promlint), so that it is held where promtool is not installed. HELP and TYPE lines are
 * parsePrometheusText's.
 */
export function lintMetrics({ types, samples }: MetricsPage): string[] {
  const faults: string[] = []
  for (const [name, type] of types) {
    const isTotal = name.endsWith('_total')
    if (type === 'counter' && !isTotal) faults.push(`${name}: a counter should end in _total`)
    if (type !== 'counter' && isTotal) faults.push(`${name}: only a counter should end in _total`)
    if (type !== 'histogram' && type !== 'summary' && /_(?:count|sum|bucket)$/.test(name))
      faults.push(`${name}: the ending is one of histograms`)
    if (/[A-Z]/.test(name)) faults.push(`${name}: should be snake_case`)
    if (ABBREVIATED.test(name)) faults.push(`${name}: an abbreviated unit`)
    if (NOT_BASE.test(name)) faults.push(`${name}: not a base unit`)
    if (TYPE_IN_NAME.test(name)) faults.push(`${name}: names its type`)
  }
  const labels = new Set(samples.flatMap(sample => Object.keys(sample.labels)))
  for (const label of labels) if (/[A-Z]/.test(label)) faults.push(`label ${label}: should be snake_case`)
  return faults
}

/** Labels whose values are names of something else: addresses, versions, bounds, codes, options, protocols. */
const NAMES: ReadonlySet<string> = new Set([
  'origin',
  'name',
  'le',
  'code',
  'limit',
  'protocol',
  'version',
  'major',
  'minor',
  'patch',
  'node',
  'openssl',
  'type',
  'space',
  'quantile',
  'local',
  'remote',
])

/** Label values that are words of ours and not in the one style that they have. */
export function oddLabelValues({ samples }: MetricsPage): string[] {
  return samples
    .filter(({ name }) => name.startsWith('middlemile_'))
    .flatMap(({ labels }) => Object.entries(labels))
    .filter(([label, value]) => !NAMES.has(label) && !/^(?:[a-z0-9]+(?:_[a-z0-9]+)*|http\/1\.1)$/.test(value))
    .map(([label, value]) => `${label}="${value}"`)
}
