/** Of the tables of a report, in characters: what a terminal shows without a break, if it is a wide one. */
const WIDTH = 120

/**
 * A table for a terminal: the first column to the left, the others to the right. Columns for which the line
 * is too short go into further tables, each with the first column again. A row of which there is nothing in a
 * table but its first cell is left out there.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width = WIDTH,
): string {
  const widths = header.map((title, i) =>
    Math.max(...[title, ...rows.map(row => row[i] ?? '')].map(visibleWidth)),
  )
  return foldColumns(widths, width)
    .map(columns => formatColumns(columns, widths, header, rows))
    .join('\n\n')
}

function formatColumns(
  columns: readonly number[],
  widths: readonly number[],
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string =>
    columns
      .map(i => (i === 0 ? padded(cells[i], widths[i], 'end') : padded(cells[i], widths[i], 'start')))
      .join('  ')
      .trimEnd()
  const isFilled = (row: readonly string[]): boolean => columns.some(i => i > 0 && (row[i] ?? '') !== '')
  const rule = columns.map(i => '-'.repeat(widths[i] ?? 0)).join('  ')
  return [line(header), rule, ...rows.filter(isFilled).map(line)].join('\n')
}

const STYLE_CODES = /\p{Cc}\[[\d;]*m/gu

/** Without the codes of colors. */
function visibleWidth(text: string): number {
  return text.replaceAll(STYLE_CODES, '').length
}

function padded(cell = '', width = 0, side: 'start' | 'end'): string {
  const padding = ' '.repeat(Math.max(0, width - visibleWidth(cell)))
  return side === 'start' ? padding + cell : cell + padding
}

/** Broken between words where it is longer; `indent` stands before each further line. */
export function wrapText(text: string, width?: number, indent = ''): string {
  if (width === undefined) return text
  const lines: string[] = []
  const [, lead = '', rest = ''] = /^( *)(.*)$/s.exec(text) ?? []
  let line = lead
  for (const word of rest.split(' ')) {
    const isFirst = line.trim() === ''
    if (!isFirst && line.length + 1 + word.length > width) {
      lines.push(line)
      line = indent + word
    } else line += isFirst ? word : ` ${word}`
  }
  return [...lines, line].join('\n')
}

/** Which columns stand in which table. */
function foldColumns(widths: readonly number[], width: number): number[][] {
  const first = widths[0] ?? 0
  let table = [0]
  let used = first
  const tables = [table]
  for (const [i, own] of widths.entries()) {
    if (i === 0) continue
    if (table.length > 1 && used + 2 + own > width) {
      table = [0]
      used = first
      tables.push(table)
    }
    table.push(i)
    used += 2 + own
  }
  return tables
}

/**
 * Whether it can be shown and drawn. What was not measured is missing or NaN (null, once it has been through
 * JSON); beyond 1e15 a figure is an accident, and scales are not made for it.
 */
export function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < 1e15
}

/** Three significant digits; whole numbers in full. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-'
  if (Number.isInteger(value)) return String(value)
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(digits, 5))
}

/** A multiple: `0.62x`. */
export function formatTimes(value: number): string {
  return `${value.toFixed(2)}x`
}
