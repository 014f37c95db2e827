import type { ResultFile } from '../results/result-file.ts'
import type { CaseResult, Http3Outcome, Metric, ScenarioResult } from '../results/scenario-result.ts'
import { MIN_ROUNDS_FOR_INTERVAL } from '../results/statistics.ts'
import { caseSection } from './html/case-section.ts'
import { caseId, scenarioId } from './html/chart.ts'
import { figureText, timesRangeText, timesText } from './html/figure-text.ts'
import { drawTable, FIGURES_NOTE } from './html/figures-table.ts'
import { type Markup, markup, type Part } from './html/markup.ts'
import { STYLE } from './html/style.ts'
import { assignLooks, type SubjectLook } from './html/subject-look.ts'
import { summarySection, warningsOf } from './html/summary.ts'
import {
  CAVEATS,
  countText,
  hasFigures,
  headingOf,
  NOT_MEASURED,
  OUTCOME_WORDS,
  TOO_FEW_ROUNDS,
  targetOf,
  verdictText,
} from './verdict.ts'

/** Where HTTP/3 wins and where it loses, over all cases of a scenario. Undefined: nothing in it says. */
function verdictsTable({ scenario, cases, metrics }: ScenarioResult): Markup | undefined {
  const all = cases.flatMap(({ name, http3 = [] }) => http3.map(verdict => ({ name, ...verdict })))
  if (all.length === 0) return undefined
  return drawTable(
    countText(all),
    scenario,
    'HTTP/3 / the same client over TCP',
    [
      { head: 'case', kind: 'text' },
      { head: 'figure', kind: 'text' },
      { head: 'HTTP/3', kind: 'text' },
      { head: 'ratio' },
      { head: '95\u2009% interval' },
    ],
    all.map(({ name, subject, to, metric, outcome, ratio: { median, interval } }) => ({
      head: markup`<bdi>${subject}</bdi> / <bdi>${to}</bdi>`,
      cells: [
        name,
        metrics.find(({ key }) => key === metric)?.title ?? metric,
        drawOutcome(outcome),
        timesText(median),
        interval === undefined ? TOO_FEW_ROUNDS : timesRangeText(interval.low, interval.high),
      ],
    })),
  )
}

function drawOutcome(outcome: Http3Outcome): Part {
  const word = OUTCOME_WORDS[outcome].toLowerCase()
  return outcome === 'wins' || outcome === 'loses' ? markup`<strong>${word}</strong>` : word
}

/**
 * Every figure of every round, a line for each figure of each subject: rounds run on within their cell, so
 * that no number of them is too wide for a page.
 */
function roundsTable({ name, subjects }: CaseResult, metrics: readonly Metric[]): Markup {
  const groups = subjects.map(({ subject, rounds }) => {
    const shown = metrics.filter(({ key }) => rounds.some(round => key in round))
    const rows = shown.map(({ key, title }) => {
      const figures = rounds.map(round => markup`<span>${figureText(round[key])}</span> `)
      return markup`<tr><th scope="row">${title}</th><td class="rounds">${figures}</td></tr>\n`
    })
    return markup`<tbody><tr><th colspan="2" scope="rowgroup"><bdi>${subject}</bdi></th></tr>
${rows}</tbody>
`
  })
  return markup`<table class="all-rounds"><caption>${name}: every round, in order</caption>
<thead><tr><th scope="col">figure</th><th scope="col">rounds</th></tr></thead>
${groups}</table>
`
}

type Fact = readonly [name: string, value: string]

/** What the figures depend on beside the code: the machine, the versions, what was asked for. */
function factsTables({ startedAt, arguments: given, settings, machine }: ResultFile): Markup {
  const run: readonly Fact[] = [
    ['started at', startedAt],
    ['revision', machine.revision],
    ['arguments', given.length === 0 ? '(none)' : given.join(' ')],
    ...Object.entries(settings).map(([name, value]): Fact => [name, settingText(value)]),
  ]
  const box: readonly Fact[] = [
    ['processor', `${machine.cpuModel}, ${machine.cores} cores`],
    ['memory', `${figureText(machine.memoryGiB)} GiB`],
    ['system', `${machine.distribution}, kernel ${machine.kernel}`],
    ['congestion control', machine.congestionControl],
    ['load at the start', figureText(machine.loadAtStart)],
  ]
  return markup`<div class="facts">${drawFacts('Run and settings', run)}${drawFacts('Machine', box)}${drawFacts('Versions', Object.entries(machine.versions))}</div>
`
}

function drawFacts(caption: string, facts: readonly Fact[]): Markup {
  const rows = facts.map(
    ([name, value]) => markup`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>\n`,
  )
  return markup`<table><caption>${caption}</caption><tbody>
${rows}</tbody></table>
`
}

function settingText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.map(settingText).join(', ')
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return JSON.stringify(value) ?? '-'
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${settingText(inner)}`)
    .join(', ')
}

/** How the charts are to be read, once for all of them. */
const READING: Markup = markup`<section class="appendix reading" aria-labelledby="reading"><h2 id="reading">How to read this</h2>
<ul class="notes">
<li>Subjects are measured in turns, round by round. A median is over rounds, which are independent of each other; the requests within a round are not.</li>
<li>An interval is one of the order statistics of the rounds: free of any assumed distribution, and true at least 95 times out of 100. With fewer than ${MIN_ROUNDS_FOR_INTERVAL} rounds there is none.</li>
<li>Ratios are taken within a round, then their median: what disturbed the machine disturbed both. Where the interval holds 1, no difference was shown; that is not the same as none.</li>
<li>Of many comparisons, one in twenty without a difference would still show one.</li>
<li>In bars: a dot is a round, the thin line reaches from the least to the most, the thick line is the 95\u2009% interval. A figure that is the same in all rounds of all subjects has no chart.</li>
<li>A dash stands for what could not be measured.</li>
</ul></section>`

/**
 * Hatches that tell phases apart without color; once a page, since charts refer to them by id. Not hidden by
 * `display: none`: browsers then paint nothing with them.
 */
const PHASE_PATTERNS: Markup = markup`<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>
<pattern id="p-dns" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M1 1h1.4" class="hatch"/><path d="M3 3h1.4" class="hatch"/></pattern>
<pattern id="p-connect" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M-1 6L6-1" class="hatch"/></pattern>
<pattern id="p-tls" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M-1 6L6-1M-1-1L6 6" class="hatch"/></pattern>
</defs></svg>`

/** What the page may do: be styled by itself. A script in it, or a request of it, is an attack. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

/**
 * A result file as one page that needs nothing else: no script, no request, to be read on screen and on
 * paper.
 */
export function renderHtml(file: ResultFile): string {
  const looks = assignLooks(file)
  const target = targetOf(file)
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>middlemile bench: ${target}</title>
<link rel="icon" href="data:,">
${STYLE}
</head>
<body>
${PHASE_PATTERNS}
<main>
${drawHeader(file, target)}
${summarySection(file, looks)}
${file.results.map((result, i) => drawScenario(result, i, looks))}
${caveatsSection(file)}
<section class="appendix" aria-labelledby="rounds"><h2 id="rounds">Every round</h2>
${file.results.map(({ scenario, cases, metrics }) => markup`<h3>${scenario}</h3><div class="all">${cases.filter(hasFigures).map(entry => roundsTable(entry, metrics))}</div>`)}
</section>
<section class="appendix" aria-labelledby="facts"><h2 id="facts">What it was measured on</h2>
${factsTables(file)}
</section>
${READING}
</main>
</body>
</html>
`
  return page.text
}

function drawHeader(file: ResultFile, target: string): Markup {
  const { startedAt, machine } = file
  const when = startedAt.slice(0, 16).replace('T', ' ')
  return markup`<header><p class="kicker">middlemile bench</p>
<h1 class="target"><bdi>${target}</bdi></h1>
<p class="verdict">${verdictText(file)}</p>
<p class="facts-line">${when} UTC \u00b7 revision ${machine.revision} \u00b7 ${machine.cpuModel}, ${machine.cores} cores \u00b7 ${machine.distribution}, kernel ${machine.kernel}</p></header>`
}

function drawScenario(
  result: ScenarioResult,
  index: number,
  looks: ReadonlyMap<string, SubjectLook>,
): Markup {
  const { description, cases, unavailable } = result
  const measured = cases.map((entry, i) => ({ entry, id: caseId(index, i) }))
  const tables = measured.filter(({ entry }) => hasFigures(entry))
  return markup`<section class="scenario" aria-labelledby="${scenarioId(index)}"><h2 id="${scenarioId(index)}">${headingOf(result)}</h2>
<p class="lead">${description}</p>
${verdictsTable(result)}
${tables.length === 0 ? undefined : markup`<p class="note">${FIGURES_NOTE}</p>`}
${measured.map(({ entry, id }) => (hasFigures(entry) ? caseSection(result, entry, id, looks) : emptyCase(entry, id)))}
${unavailable.length === 0 ? undefined : markup`<h4>${capitalized(NOT_MEASURED)}</h4><ul class="notes">${unavailable.map(({ subject, because }) => markup`<li><bdi>${subject}</bdi>: ${because}</li>`)}</ul>`}
</section>
`
}

/** Of a case without a figure there is no table: what it says of itself is why. */
function emptyCase({ name, notes = [] }: CaseResult, id: string): Markup {
  return markup`<section class="case" aria-labelledby="${id}"><h3 id="${id}">${name}</h3>
<p class="lead">Nothing was measured.</p>
${notes.length === 0 ? undefined : markup`<ul class="notes">${notes.map(note => markup`<li>${note}</li>`)}</ul>`}
</section>
`
}

/** Behind the figures: what a reader has to know before relying on them. */
function caveatsSection(file: ResultFile): Markup | undefined {
  const warnings = warningsOf(file)
  const limits = [...new Set(file.results.flatMap(result => result.limits ?? []))]
  if (warnings.length === 0 && limits.length === 0) return undefined
  return markup`<section class="appendix" aria-labelledby="caveats"><h2 id="caveats">${CAVEATS}</h2>
${warnings.length > 0 ? markup`<ul class="warnings">${warnings.map(text => markup`<li>${text}</li>`)}</ul>` : undefined}
${limits.length > 0 ? markup`<ul class="notes">${limits.map(limit => markup`<li>${limit}</li>`)}</ul>` : undefined}
</section>
`
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
