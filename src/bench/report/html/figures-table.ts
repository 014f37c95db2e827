import type { CaseResult, Metric, ScenarioResult, SubjectResult } from '../../results/scenario-result.ts'
import { estimateMedian, MIN_ROUNDS_FOR_INTERVAL } from '../../results/statistics.ts'
import { findingsOf } from '../findings.ts'
import { isFigure } from '../table.ts'
import { drawSwatch } from './chart.ts'
import { figureText, rangeText } from './figure-text.ts'
import { type Markup, markup, type Part } from './markup.ts'
import { lookOf, type SubjectLook } from './subject-look.ts'

/**
 * Every median of a case, with what lies around it. The longer list goes down the page: subjects, or figures.
 */
export function figuresTable(
  scenario: ScenarioResult,
  entry: CaseResult,
  looks: ReadonlyMap<string, SubjectLook>,
): Markup {
  const { metrics } = scenario
  const { subjects } = entry
  const best = bestCells(scenario, entry)
  const cell = (subject: SubjectResult, metric: Metric): Markup => drawCell(subject, metric, best)
  const nameOf = ({ subject }: SubjectResult): Markup =>
    markup`${drawSwatch(lookOf(looks, subject))} <bdi>${subject}</bdi>`
  const caption = 'Medians over rounds'
  return metrics.length > subjects.length
    ? drawTable(
        caption,
        entry.name,
        'figure',
        subjects.map(subject => ({ head: nameOf(subject) })),
        metrics.map(metric => ({
          head: metric.title,
          cells: subjects.map(subject => cell(subject, metric)),
        })),
      )
    : drawTable(
        caption,
        entry.name,
        'subject',
        metrics.map(({ title }) => ({ head: title })),
        subjects.map(subject => ({
          head: nameOf(subject),
          cells: metrics.map(metric => cell(subject, metric)),
        })),
      )
}

/** How `figuresTable` is to be read. */
export const FIGURES_NOTE = `Below a median: its 95\u2009% interval over rounds (in brackets), or with fewer than ${MIN_ROUNDS_FOR_INTERVAL} rounds the least and the most of them. Bold: the best, where the rounds show that it differs from the next one.`

/** Subject and metric of those that are best beyond doubt. */
function bestCells(scenario: ScenarioResult, entry: CaseResult): ReadonlyMap<string, ReadonlySet<string>> {
  const best = new Map<string, Set<string>>()
  for (const { metric, first, next } of findingsOf(scenario, entry)) {
    if (metric.better === undefined || next?.evidence.kind !== 'shown') continue
    best.set(first.subject, (best.get(first.subject) ?? new Set()).add(metric.key))
  }
  return best
}

function drawCell(
  { subject, rounds, median }: SubjectResult,
  { key }: Metric,
  best: ReadonlyMap<string, ReadonlySet<string>>,
): Markup {
  const text = figureText(median[key])
  const figure = best.get(subject)?.has(key) === true ? markup`<b>${text}</b>` : text
  return markup`${figure}${drawAround(rounds.map(round => round[key]))}`
}

function drawAround(values: readonly (number | undefined)[]): Markup | undefined {
  const estimate = estimateMedian(values.filter(isFigure))
  // Where all print the same, a range would say nothing.
  if (estimate === undefined || figureText(estimate.min) === figureText(estimate.max)) return undefined
  const { interval, min, max } = estimate
  const text = interval === undefined ? rangeText(min, max) : `[${rangeText(interval.low, interval.high)}]`
  return markup` <small>${text}</small>`
}

export interface TableColumn {
  readonly head: Part
  /** Text goes to the left, figures to the right. Default: figures. */
  readonly kind?: 'text' | 'figure'
}

export interface TableRow {
  /** The first column: what the row is about. */
  readonly head: Part
  readonly cells: readonly Part[]
}

/**
 * A table that scrolls within its own frame where it is wider than the page. `of` is what it belongs to,
 * `corner` heads the first column.
 */
export function drawTable(
  caption: string,
  of: string,
  corner: string,
  columns: readonly TableColumn[],
  rows: readonly TableRow[],
): Markup {
  const kindOf = (i: number): string => columns[i]?.kind ?? 'figure'
  const heads = columns.map(({ head }, i) => markup`<th scope="col" class="${kindOf(i)}">${head}</th>`)
  const body = rows.map(
    ({ head, cells }) =>
      markup`<tr><th scope="row">${head}</th>${cells.map((cell, i) => markup`<td class="${kindOf(i)}">${cell}</td>`)}</tr>\n`,
  )
  return markup`<div class="scroller" role="region" tabindex="0" aria-label="${of}: ${caption}"><table><caption>${caption}</caption>
<thead><tr><th scope="col">${corner}</th>${heads}</tr></thead>
<tbody>
${body}</tbody></table></div>
`
}
