import type { CaseResult, Metric } from '../../../results/scenario-result.ts'
import { figureText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'

/**
 * Every figure of every round, a line for each figure of each subject: rounds run on within their cell, so
 * that no number of them is too wide for a page.
 */
export function roundsTable({ name, subjects }: CaseResult, metrics: readonly Metric[]): Markup {
  const groups = subjects.map(({ subject, rounds }) => {
    const told = metrics.filter(({ key }) => rounds.some(round => key in round))
    const rows = told.map(({ key, title }) => {
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
