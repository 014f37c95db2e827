import { formatNumber, isFigure } from '../table.ts'

/** Three significant digits, thousands apart (narrow no-break space), `-` for what cannot be known. */
export function figureText(value: number | undefined): string {
  if (!isFigure(value)) return '-'
  return spaced(formatNumber(value))
}

/** A round number, in as few digits as it has. */
export function tickText(value: number): string {
  return spaced(String(value))
}

function spaced(digits: string): string {
  const [whole = '', ...fraction] = digits.replace('-', '\u2212').split('.')
  return [whole.length < 5 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, '\u202f'), ...fraction].join('.')
}

export function rangeText(low: number, high: number): string {
  return `${figureText(low)}\u2013${figureText(high)}`
}

/** A multiple: `0.62\u2009×`. */
export function timesText(value: number | undefined): string {
  return isFigure(value) ? `${ratioDigits(value)}\u2009\u00d7` : '-'
}

export function timesRangeText(low: number, high: number): string {
  return `${ratioDigits(low)}\u2013${ratioDigits(high)}\u2009\u00d7`
}

/**
 * Digits behind the point as they matter: three close to 1, so that 0.997 does not pass for 1; two near it;
 * three significant ones far off.
 */
function ratioDigits(value: number): string {
  const size = Math.abs(value)
  if (size < 0.1 || size >= 100) return figureText(value)
  return value.toFixed(value !== 1 && Math.abs(value - 1) < 0.05 ? 3 : 2).replace('-', '\u2212')
}

/** Milliseconds in the unit that suits them: `0.31 ms`, `42.1 ms`, `12.3 s`. */
export function millisecondsText(ms: number | undefined): string {
  if (!isFigure(ms)) return '-'
  return Math.abs(ms) < 10_000 ? `${figureText(ms)}\u00a0ms` : `${figureText(ms / 1_000)}\u00a0s`
}
