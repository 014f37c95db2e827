import type { ResultFile } from '../../results/result-file.ts'
import type { CaseResult, ScenarioResult } from '../../results/scenario-result.ts'
import { MIN_ROUNDS_FOR_INTERVAL } from '../../results/statistics.ts'
import { chiefMetric, type Finding, findingsOf, type Rival, type Snapshot } from '../findings.ts'
import { isFigure } from '../table.ts'
import { hasFigures, headingOf, NO_DIFFERENCE, NOT_MEASURED } from '../verdict.ts'
import { caseId, drawBadge, scenarioId } from './chart.ts'
import { figureText, timesRangeText, timesText } from './figure-text.ts'
import { type Markup, markup } from './markup.ts'
import { lookOf, type SubjectLook } from './subject-look.ts'

const MAX_OTHERS = 4

type Looks = ReadonlyMap<string, SubjectLook>

/**
 * Who was first at what, by how much, and where nothing was shown: a sentence for each case, made of its
 * figures.
 */
export function summarySection(file: ResultFile, looks: Looks): Markup {
  return markup`<section class="summary" aria-labelledby="summary"><h2 id="summary">Summary</h2>
${file.results.map((result, i) => drawScenario(result, i, looks))}
</section>
`
}

function drawScenario(result: ScenarioResult, index: number, looks: Looks): Markup {
  const cases = result.cases.map(
    (entry, i) =>
      markup`<dt><a href="#${caseId(index, i)}">${entry.name}</a></dt><dd>${drawCase(result, entry, looks)}</dd>`,
  )
  return markup`<h3><a href="#${scenarioId(index)}">${headingOf(result)}</a></h3>
<dl class="findings">${cases}</dl>
`
}

function drawCase(result: ScenarioResult, entry: CaseResult, looks: Looks): Markup {
  const chief = chiefMetric(result.metrics, entry)
  const all = findingsOf(result, entry)
  const finding = all.find(({ metric }) => metric === chief) ?? all[0]
  if (finding === undefined || !hasFigures(entry)) return markup`Nothing was measured.`
  const others = all.filter(other => other !== finding && other.next?.evidence.kind === 'shown')
  return markup`${drawFinding(finding, looks)}${drawOthers(others, looks)}`
}

/** The other figures of which somebody is shown to be first; a few of them, for the tables have them all. */
function drawOthers(others: readonly Finding[], looks: Looks): Markup | undefined {
  if (others.length === 0) return undefined
  const more = others.length - MAX_OTHERS
  const shown = others.slice(0, MAX_OTHERS).map((other, i) => drawShort(other, looks, i > 0))
  return markup` <span class="also">Also shown: ${shown}${more > 0 ? `; and ${more} more figures below, in bold` : ''}.</span>`
}

function drawFinding({ metric, first, next, last }: Finding, looks: Looks): Markup {
  const what = markup`<span class="what">${metric.title}</span>`
  if (metric.better === undefined) return drawSpread(what, first, last ?? next, looks)
  const place = { less: 'least', more: 'most' }[metric.better]
  const opening = markup`${what}, ${place}: ${drawName(first.subject, looks)} with <b>${figureText(first.median)}</b>`
  if (next === undefined) return markup`${opening}; nobody to compare it with.`
  const range =
    last &&
    markup`; ${drawName(last.subject, looks)} is last with ${figureText(last.median)}${lastText(last)}`
  return markup`${opening}, ${drawDistance(next, looks)}${range}.`
}

/** Nothing says which way the figure is to go: nobody is best. */
function drawSpread(what: Markup, lowest: Snapshot, highest: Rival | undefined, looks: Looks): Markup {
  const opening = markup`${what}, lowest: ${drawName(lowest.subject, looks)} with ${figureText(lowest.median)}`
  if (highest === undefined) return markup`${opening}.`
  return markup`${opening}; highest: ${drawName(highest.subject, looks)} with ${figureText(highest.median)}${lastText(highest)}.`
}

function drawDistance({ subject, median, ratio, evidence }: Rival, looks: Looks): Markup {
  const name = drawName(subject, looks)
  const times = timesText(ratio?.median)
  switch (evidence.kind) {
    case 'unpaired':
      return markup`before ${name} with ${figureText(median)}; no round has both`
    case 'shown':
      return markup`${times} that of ${name}, the next (95\u2009% interval ${timesRangeText(evidence.interval.low, evidence.interval.high)})`
    case 'tooFew':
      return markup`${times} that of ${name}, the next, and to the same side ${roundsText(evidence.pairs)} (an interval needs ${MIN_ROUNDS_FOR_INTERVAL})`
    default:
      return markup`${name} with ${figureText(median)}: <em>${NO_DIFFERENCE}</em> between these two (${times}${ratio && markup`, ${timesRangeText(ratio.min, ratio.max)}`})`
  }
}

/** The first one as a multiple of the last one, and whether the rounds show that. */
function lastText({ ratio, evidence }: Rival): string {
  if (ratio === undefined) return ''
  const few = `, ${roundsText(ratio.pairs)}`
  return ` (${timesText(ratio.median)}${{ shown: '', tooFew: few, crosses: `, ${NO_DIFFERENCE}`, unpaired: '' }[evidence.kind]})`
}

function roundsText(rounds: number): string {
  return rounds === 1 ? 'in the only round' : `in each of ${rounds} rounds`
}

function drawShort({ metric, first, next }: Finding, looks: Looks, isFurther: boolean): Markup {
  const place = metric.better === 'more' ? 'most' : 'least'
  return markup`${isFurther ? '; ' : ''}${place} ${metric.title} ${drawName(first.subject, looks)} (${timesText(next?.ratio?.median)} ${drawName(next?.subject ?? '', looks)})`
}

function drawName(subject: string, looks: Looks): Markup {
  return markup`<span class="subject">${drawBadge(lookOf(looks, subject))}<bdi>${subject}</bdi></span>`
}

/**
 * With more of the machine in use before a run has begun, its figures are not only its own. Share of one
 * core.
 */
const BUSY_LOAD = 0.5

/**
 * What a reader has to know before believing the figures: failures, missing subjects, a busy machine.
 */
export function warningsOf({ results, machine }: ResultFile): readonly string[] {
  const missing = results.flatMap(({ unavailable }) => unavailable)
  const failing = results.flatMap(({ scenario, cases }) =>
    cases.flatMap(({ name, subjects }) =>
      subjects
        .map(({ subject, rounds }) => ({ subject, failures: sum(rounds.map(({ failures }) => failures)) }))
        .filter(({ failures }) => failures > 0)
        .map(({ subject, failures }) => `${subject} (${scenario}, ${name}): ${figureText(failures)}`),
    ),
  )
  const lines: string[] = []
  if (failing.length > 0)
    lines.push(`Failures, whose subjects may look faster than they are: ${failing.join('; ')}.`)
  if (missing.length > 0) {
    lines.push(
      `${NOT_MEASURED.charAt(0).toUpperCase()}${NOT_MEASURED.slice(1)}: ${missing.map(({ subject }) => subject).join('; ')}. The reasons stand with the scenario.`,
    )
  }
  if (machine.loadAtStart > BUSY_LOAD) {
    lines.push(`The machine was in use when the run began (load ${figureText(machine.loadAtStart)}).`)
  }
  return lines
}

function sum(values: readonly (number | undefined)[]): number {
  return values.filter(isFigure).reduce((total, value) => total + value, 0)
}
