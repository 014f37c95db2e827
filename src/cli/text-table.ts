import type { Screen } from './terminal.ts'

const STYLE_CODES = /\p{Cc}\[[\d;]*m/gu
const GAP = '  '
/** A column of text that is narrower than this is hard to read: it gets rows of its own. */
const READABLE_COLUMNS = 30
/** Of names, states and figures: not broken into lines. */
const SHORT_COLUMNS = 20
const INDENT = '     '

/** Rows of cells as aligned text; columns in `right` (by index) are aligned to the right. */
export function textTable(
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const widths = columnWidths(rows)
  return rows.map(row => `${rowText(row, widths, right)}\n`).join('')
}

/**
 * The same for a screen: at a terminal that is narrower, the cells of the wide columns are wrapped, or, where
 * that leaves too little, the last cell of each row goes below the others. A pipe gets whole rows.
 */
export function screenTable(rows: readonly (readonly string[])[], screen: Screen): string {
  const widths = columnWidths(rows)
  if (!screen.isTerminal || total(widths) <= screen.columns) return textTable(rows)
  const fitted = fittedWidths(widths, screen.columns)
  const last = widths.length - 1
  const isReadable =
    total(fitted) <= screen.columns && (fitted[last] ?? 0) >= Math.min(widths[last] ?? 0, READABLE_COLUMNS)
  return isReadable ? wrappedRows(rows, fitted) : stackedRows(rows, widths, screen.columns)
}

/** Prose, in lines that are no wider than the terminal, broken between words. Each line break of it stays. */
export function screenText(text: string, screen: Screen): string {
  if (!screen.isTerminal) return text
  const lines = text.split('\n')
  return lines.flatMap(line => (line === '' ? [''] : wrap(line, screen.columns))).join('\n')
}

/** The widest columns become as narrow as each other, until all fit or only short ones are left. */
function fittedWidths(widths: readonly number[], columns: number): number[] {
  const fitted = [...widths]
  while (total(fitted) > columns) {
    const widest = Math.max(...fitted)
    if (widest <= SHORT_COLUMNS) break
    fitted[fitted.lastIndexOf(widest)] = widest - 1
  }
  return fitted
}

function wrappedRows(rows: readonly (readonly string[])[], widths: readonly number[]): string {
  return rows
    .flatMap(row => {
      const cells = row.map((cell, column) => {
        const lines = wrap(cell.trimStart(), (widths[column] ?? 0) - leadingBlanks(cell).length)
        return lines.map(line => leadingBlanks(cell) + line)
      })
      const height = Math.max(...cells.map(lines => lines.length))
      return Array.from({ length: height }, (_, line) => {
        return `${rowText(
          cells.map(lines => lines[line] ?? ''),
          widths,
        )}\n`
      })
    })
    .join('')
}

function stackedRows(
  rows: readonly (readonly string[])[],
  widths: readonly number[],
  columns: number,
): string {
  const last = widths.length - 1
  return rows
    .flatMap(row => {
      const line = rowText(row.slice(0, last), widths)
      const lines =
        line === '' ? [] : wrap(line.trimStart(), columns - 1).map(part => leadingBlanks(line) + part)
      const text = row[last] ?? ''
      const below = text === '' ? [] : wrap(text, columns - INDENT.length).map(part => INDENT + part)
      return [...lines, ...below].map(part => `${part}\n`)
    })
    .join('')
}

/** Words on lines of this width; a word that is longer is cut. Never empty. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = text
  while (visibleWidth(rest) > width) {
    const blank = rest.lastIndexOf(' ', width)
    const end = rest.slice(0, Math.max(0, blank)).trim() === '' ? width : blank
    lines.push(rest.slice(0, end).trimEnd())
    rest = rest.slice(end).trimStart()
  }
  return [...lines, rest]
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, visibleWidth(cell))
  }
  return widths
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1))
}

function rowText(
  row: readonly string[],
  widths: readonly number[],
  right: ReadonlySet<number> = new Set(),
): string {
  const cells = row.map((cell, column) => {
    const padding = ' '.repeat(Math.max(0, (widths[column] ?? 0) - visibleWidth(cell)))
    return right.has(column) ? `${padding}${cell}` : `${cell}${padding}`
  })
  return cells.join(GAP).trimEnd()
}

function leadingBlanks(text: string): string {
  return /^ */.exec(text)?.[0] ?? ''
}

/** Without the codes of styles. */
function visibleWidth(text: string): number {
  return text.replaceAll(STYLE_CODES, '').length
}
