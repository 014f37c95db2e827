import type {
  CaseResult,
  JudgedAim,
  Metric,
  RatioResult,
  ScenarioResult,
  SubjectDetail,
  SubjectResult,
} from '../../results/scenario-result.ts'
import { completeRatio } from '../findings.ts'
import { isFigure } from '../table.ts'
import { differenceText, NOT_MEASURED } from '../verdict.ts'
import { type Chart, drawChart, drawSwatch } from './chart.ts'
import { connectionsChart } from './charts/connections-chart.ts'
import { metricChart } from './charts/metric-chart.ts'
import { objectsChart } from './charts/objects-chart.ts'
import { type PercentileSeries, percentileChart, recordedQuantile } from './charts/percentile-chart.ts'
import { phasesChart } from './charts/phases-chart.ts'
import { ratioChart } from './charts/ratio-chart.ts'
import { figureText, timesRangeText, timesText } from './figure-text.ts'
import { drawTable, figuresTable } from './figures-table.ts'
import { type Markup, markup } from './markup.ts'
import { lookOf, type SubjectLook } from './subject-look.ts'

/** The figures of a ratio chart. */
function ratiosTable(of: string, title: string, ratios: readonly RatioResult[]): Markup {
  return drawTable(
    `${title}, round by round`,
    of,
    'subject / to',
    [
      { head: 'median' },
      { head: 'least\u2013most' },
      { head: '95\u2009% interval' },
      { head: 'pairs' },
      { head: 'difference', kind: 'text' },
    ],
    ratios.map(ratio => ({
      head: markup`<bdi>${ratio.subject}</bdi> / <bdi>${ratio.to}</bdi>`,
      cells: [
        timesText(ratio.median),
        timesRangeText(ratio.min, ratio.max),
        ratio.interval === undefined ? '-' : timesRangeText(ratio.interval.low, ratio.interval.high),
        ratio.pairs,
        differenceText(ratio),
      ],
    })),
  )
}

const SHARES = [0.5, 0.9, 0.99, 0.999]

/**
 * The figures of a percentile chart, in ms; of all rounds together, which is why they need not be the medians
 * over rounds.
 */
function percentilesTable(of: string, title: string, series: readonly PercentileSeries[]): Markup {
  return drawTable(
    `${title}, all rounds together, ms`,
    of,
    'subject',
    ['requests', 'least', ...SHARES.map(share => `p${share * 100}`), 'most'].map(head => ({ head })),
    series.map(({ look, record }) => ({
      head: markup`${drawSwatch(look)} <bdi>${look.subject}</bdi>`,
      cells: [
        figureText(record.count),
        record.count > 0 ? figureText(record.minUs / 1_000) : '-',
        ...SHARES.map(share => figureText(recordedQuantile(record, share))),
        record.count > 0 ? figureText(record.maxUs / 1_000) : '-',
      ],
    })),
  )
}

/** What was hoped for, and whether it came true. */
function aimsTable(of: string, aims: readonly JudgedAim[], metrics: readonly Metric[]): Markup {
  return drawTable(
    'Aims',
    of,
    'subject',
    [
      { head: 'figure', kind: 'text' },
      { head: 'aim' },
      { head: 'measured' },
      { head: 'verdict', kind: 'text' },
    ],
    aims.map(aim => ({
      head: markup`<bdi>${aim.subject}</bdi>`,
      cells: [titleOf(aim, metrics), wantedText(aim), figureText(aim.measured), drawVerdict(aim)],
    })),
  )
}

function titleOf({ metric, to }: JudgedAim, metrics: readonly Metric[]): string {
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  return to === undefined ? title : `${title}, times that of ${to}`
}

function wantedText({ atLeast, atMost }: JudgedAim): string {
  const least = isFigure(atLeast) ? [`at least ${figureText(atLeast)}`] : []
  const most = isFigure(atMost) ? [`at most ${figureText(atMost)}`] : []
  return [...least, ...most].join(', ')
}

function drawVerdict({ measured, met }: JudgedAim): Markup {
  if (!isFigure(measured)) return markup`${NOT_MEASURED}`
  return met ? markup`<span class="met">\u2713 met</span>` : markup`<b class="missed">\u2717 missed</b>`
}

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
