import { type Markup, markup, type Part } from '../markup.ts'

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
