import type { CaseResult, RatioResult, ScenarioResult, SubjectResult } from '../../results/scenario-result.ts'
import type { SubjectDetail } from '../../results/subject-detail.ts'
import { type Chart, drawChart } from './chart.ts'
import { connectionsChart } from './charts/connections-chart.ts'
import { metricChart } from './charts/metric-chart.ts'
import { objectsChart } from './charts/objects-chart.ts'
import { percentileChart } from './charts/percentile-chart.ts'
import { phasesChart } from './charts/phases-chart.ts'
import { ratioChart } from './charts/ratio-chart.ts'
import { completeRatio } from './findings.ts'
import { type Markup, markup } from './markup.ts'
import { lookOf, type SubjectLook } from './subject-look.ts'
import { aimsTable } from './tables/aims-table.ts'
import { figuresTable } from './tables/figures-table.ts'
import { percentilesTable } from './tables/percentiles-table.ts'
import { ratiosTable } from './tables/ratios-table.ts'

type Looks = ReadonlyMap<string, SubjectLook>

/** One table of work with all its charts: a chart appears where its material is there. */
export function caseSection(scenario: ScenarioResult, entry: CaseResult, id: string, looks: Looks): Markup {
  const { name, aims = [], notes = [] } = entry
  return markup`<section class="case" aria-labelledby="${id}"><h3 id="${id}">${name}</h3>
${figuresTable(scenario, entry, looks)}${aims.length > 0 ? aimsTable(name, aims, scenario.metrics) : undefined}${drawComparisons(scenario, entry, id, looks)}${drawDetails(entry, id, looks)}${drawGrid(metricCharts(scenario, entry, id, looks))}${notes.length > 0 ? markup`<h4>Notes</h4><ul class="notes">${notes.map(note => markup`<li>${note}</li>`)}</ul>` : undefined}
</section>
`
}

/** Ratios by figure: of each a chart and its table. */
function drawComparisons({ metrics }: ScenarioResult, entry: CaseResult, id: string, looks: Looks): Markup {
  const byMetric = new Map<string, RatioResult[]>()
  for (const ratio of entry.ratios) {
    byMetric.set(ratio.metric, [...(byMetric.get(ratio.metric) ?? []), completeRatio(ratio, entry)])
  }
  const parts = [...byMetric].map(([key, some], i) => {
    const title = metrics.find(metric => metric.key === key)?.title ?? key
    return drawBeside(
      ratioChart(`${id}-ratio${i + 1}`, title, some, looks),
      ratiosTable(entry.name, title, some),
    )
  })
  return markup`${parts}`
}

function drawDetails({ name, subjects }: CaseResult, id: string, looks: Looks): Markup {
  const series = <K extends keyof SubjectDetail>(key: K) =>
    subjects.flatMap(({ subject, detail }) => {
      const material = detail?.[key]
      return material === undefined ? [] : [{ look: lookOf(looks, subject), material }]
    })
  const distributions = (['latency', 'firstByte'] as const).map(kind => {
    const title = { latency: 'Latency', firstByte: 'Time to first byte' }[kind]
    const records = series(kind).map(({ look, material }) => ({ look, record: material }))
    const chart = percentileChart({ kind, id: `${id}-${kind}`, title }, records)
    return chart && drawBeside(chart, percentilesTable(name, title, records))
  })
  const others = [
    objectsChart(
      `${id}-objects`,
      series('objects').map(({ look, material }) => ({ look, objects: material })),
    ),
    phasesChart(
      `${id}-phases`,
      series('phases').map(({ look, material }) => ({ look, phases: material })),
    ),
    connectionsChart(
      `${id}-connections`,
      series('connections').map(({ look, material }) => ({ look, connections: material })),
    ),
  ]
  return markup`${distributions}${drawGrid(others)}`
}

function metricCharts(
  { metrics }: ScenarioResult,
  { subjects }: CaseResult,
  id: string,
  looks: Looks,
): readonly (Chart | undefined)[] {
  return metrics.map((metric, i) => {
    const series = subjects.map(({ subject, rounds }: SubjectResult) => ({
      look: lookOf(looks, subject),
      rounds: rounds.map(round => round[metric.key]),
    }))
    return metricChart(`${id}-m${i + 1}`, metric, series)
  })
}

function drawBeside(chart: Chart | undefined, table: Markup): Markup {
  return markup`<div class="beside">${chart && drawChart(chart)}${table}</div>
`
}

function drawGrid(charts: readonly (Chart | undefined)[]): Markup | undefined {
  const present = charts.filter(chart => chart !== undefined)
  return present.length === 0
    ? undefined
    : markup`<div class="charts">${present.map(drawChart)}</div>
`
}
