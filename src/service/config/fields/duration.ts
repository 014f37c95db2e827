/** What a duration may look like, for messages. */
export const DURATION_FORM = 'a number of milliseconds or a duration such as 250ms, 30s, 1m30s, 1h'

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * Milliseconds of `250`, `250ms`, `1.5s`, `1m30s`. Undefined when it is none of these: a bare number in
 * quotes is refused too, since nothing says which unit its author had in mind.
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
  }
  return Number.isFinite(totalMs) ? Math.round(totalMs) : undefined
}
