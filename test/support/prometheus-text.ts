interface MetricSample {
  name: string
  labels: Record<string, string>
  value: number
}

/** A page of Prometheus' text format. */
export interface MetricsPage {
  /** By metric, as its TYPE line says; every metric has its HELP line too, or parsing fails. */
  types: ReadonlyMap<string, string>
  samples: readonly MetricSample[]
  /** The sum over all samples of that name whose labels are as given; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
}

/**
 * Parses strictly: a line that the format does not allow, a sample without its TYPE, or one series twice
 * throws.
 */
export function parsePrometheusText(text: string): MetricsPage {
  const types = new Map<string, string>()
  const helps = new Set<string>()
  const samples: MetricSample[] = []
  const series = new Set<string>()
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const help = /^# HELP ([a-zA-Z_:][\w:]*) .+$/.exec(line)?.[1]
    const [, typed, type] =
      /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? []
    if (help !== undefined) helps.add(help)
    else if (typed !== undefined && type !== undefined) {
      if (types.has(typed)) throw new Error(`two TYPE lines for ${typed}`)
      if (!helps.has(typed)) throw new Error(`no HELP for ${typed}`)
      types.set(typed, type)
    } else {
      const sample = parseSample(line)
      const metric = sample.name.replace(/_(?:bucket|sum|count)$/, '')
      if (!types.has(sample.name) && !types.has(metric)) throw new Error(`no TYPE for ${line}`)
      const key = line.slice(0, line.lastIndexOf(' '))
      if (series.has(key)) throw new Error(`twice: ${key}`)
      series.add(key)
      samples.push(sample)
    }
  }
  return {
    types,
    samples,
    sum: (name, labels = {}) =>
      samples
        .filter(
          sample =>
            sample.name === name &&
            Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
        )
        .reduce((total, { value }) => total + value, 0),
  }
}

function parseSample(line: string): MetricSample {
  const match =
    /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|\+Inf|NaN|Nan)$/.exec(line)
  const [, name, labelText = '', value] = match ?? []
  if (name === undefined || value === undefined) throw new Error(`not a sample: ${JSON.stringify(line)}`)
  const labels: Record<string, string> = {}
  let rest = labelText
  while (rest !== '') {
    const label = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest)
    if (label === null) throw new Error(`labels that cannot be read: ${line}`)
    labels[label[1] ?? ''] = label[2] ?? ''
    rest = rest.slice(label[0].length)
  }
  return { name, labels, value: value.endsWith('Inf') ? Number.POSITIVE_INFINITY : Number(value) }
}
