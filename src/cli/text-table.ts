/** Rows of cells as aligned text; columns in `right` (by index) are aligned to the right. */
export function textTable(
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return rows.map(row => `${rowText(row, widths, right)}\n`).join('')
}

function rowText(row: readonly string[], widths: readonly number[], right: ReadonlySet<number>): string {
  const cells = row.map((cell, column) => {
    const width = widths[column] ?? 0
    return right.has(column) ? cell.padStart(width) : cell.padEnd(width)
  })
  return cells.join('  ').trimEnd()
}
