import type { ResultFile } from '../results/result-file.ts'
import type { ScenarioResult } from '../results/scenario-result.ts'
import { caseSection } from './html/case-section.ts'
import { caseId, scenarioId } from './html/ids.ts'
import { type Markup, markup } from './html/markup.ts'
import { PHASE_PATTERNS } from './html/phase-patterns.ts'
import { READING } from './html/reading.ts'
import { STYLE } from './html/style.ts'
import { assignLooks, type SubjectLook } from './html/subject-look.ts'
import { summarySection } from './html/summary.ts'
import { factsTables } from './html/tables/facts-table.ts'
import { FIGURES_NOTE } from './html/tables/figures-table.ts'
import { roundsTable } from './html/tables/rounds-table.ts'
import { verdictsTable } from './html/tables/verdicts-table.ts'

/** What the page may do: be styled by itself. A script in it, or a request of it, is an attack. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

/**
 * A result file as one page that needs nothing else: no script, no request, to be read on screen and on
 * paper.
 */
export function renderHtml(file: ResultFile): string {
  const looks = assignLooks(file)
  const name = file.results.map(({ scenario }) => scenario).join(', ')
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>middlemile bench: ${name}</title>
<link rel="icon" href="data:,">
${STYLE}
</head>
<body>
${PHASE_PATTERNS}
<main>
${drawHeader(file, name)}
${summarySection(file, looks)}
${file.results.map((result, i) => drawScenario(result, i, looks))}
<section class="appendix" aria-labelledby="rounds"><h2 id="rounds">Every round</h2>
${file.results.map(({ scenario, cases, metrics }) => markup`<h3>${scenario}</h3><div class="all">${cases.map(entry => roundsTable(entry, metrics))}</div>`)}
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

function drawHeader({ startedAt, machine }: ResultFile, name: string): Markup {
  const when = startedAt.slice(0, 16).replace('T', ' ')
  return markup`<header><p class="kicker">middlemile bench</p>
<h1>${name}</h1>
<p class="facts-line">${when} UTC \u00b7 revision ${machine.revision} \u00b7 ${machine.cpuModel}, ${machine.cores} cores \u00b7 ${machine.distribution}, kernel ${machine.kernel}</p></header>`
}

function drawScenario(
  result: ScenarioResult,
  index: number,
  looks: ReadonlyMap<string, SubjectLook>,
): Markup {
  const { scenario, description, cases, unavailable, limits = [] } = result
  return markup`<section class="scenario" aria-labelledby="${scenarioId(index)}"><h2 id="${scenarioId(index)}">${scenario}</h2>
<p class="lead">${description}</p>
${unavailable.length === 0 ? undefined : markup`<h4>Not measured</h4><ul class="notes">${unavailable.map(({ subject, because }) => markup`<li><bdi>${subject}</bdi>: ${because}</li>`)}</ul>`}
${limits.length === 0 ? undefined : markup`<h4>What the figures do not show</h4><ul class="notes">${limits.map(limit => markup`<li>${limit}</li>`)}</ul>`}
${verdictsTable(result)}
<p class="note">${FIGURES_NOTE}</p>
${cases.map((entry, i) => caseSection(result, entry, caseId(index, i), looks))}
</section>
`
}
