import { isFigure } from '../table.ts'
import { tickText } from './figure-text.ts'

/** From figures to places on paper. */
export interface Scale {
  readonly place: (value: number) => number
  readonly ticks: readonly Tick[]
}

export interface Tick {
  readonly value: number
  readonly label: string
}

/** Where on paper a scale lies. */
export interface Span {
  readonly from: number
  readonly to: number
  /** Labels stand one above the other, and need less room. */
  readonly isUpright?: boolean
}

/** From so many figures the others between them can be known. */
const ENOUGH_TICKS = 4

/** Font size of everything in a chart, in its units. */
export const FONT_SIZE = 11

/** The lowest and the highest of what can be drawn. Undefined of nothing. */
export function extent(
  values: Iterable<number | undefined>,
): readonly [low: number, high: number] | undefined {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (!isFigure(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return low > high ? undefined : [low, high]
}

/** With zero on it: lengths are compared. The ends are round numbers. */
export function linearScale([low, high]: readonly [number, number], span: Span, wanted = 4): Scale {
  const bottom = Math.min(0, low)
  const top = Math.max(0, high)
  const step = roundStep((top - bottom) / wanted)
  const first = Math.floor(bottom / step)
  const last = Math.max(first + 1, Math.ceil(top / step - 1e-9)) // rounding errors are no step more
  const place = between(first * step, last * step, span)
  return { place, ticks: evenTicks(first, last, step, place, span) }
}

/**
 * Every multiple of the step, or every second, third ... until none touches the next: gaps among them would
 * look like an error.
 */
function evenTicks(
  first: number,
  last: number,
  step: number,
  place: (value: number) => number,
  span: Span,
): readonly Tick[] {
  for (let stride = 1; stride <= last - first; stride++) {
    const start = first <= 0 ? 0 : first
    const multiples = range(Math.ceil((first - start) / stride), Math.floor((last - start) / stride))
    const ticks = multiples.map(multiple => tick((start + multiple * stride) * step))
    if (keepApart(ticks, place, span).length === ticks.length) return ticks
  }
  return []
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function roundStep(least: number): number {
  if (!(least > 1e-9)) return 1
  const power = 10 ** Math.floor(Math.log10(least))
  const digit = [1, 2, 5].find(candidate => candidate * power >= least * (1 - 1e-9)) ?? 10
  return digit * power
}

/** Equal multiples are equally far apart. Values have to be above zero; what is not lies at the low end. */
export function logScale([low, high]: readonly [number, number], span: Span): Scale {
  const bottom = Math.max(low, 1e-9)
  const top = Math.max(high, bottom * 1.02)
  const line = between(Math.log(bottom), Math.log(top), span)
  const place = (value: number): number => line(Math.log(Math.max(value, bottom)))
  const inside = ({ value }: Tick): boolean => value >= bottom * (1 - 1e-9) && value <= top * (1 + 1e-9)
  const decades = range(Math.floor(Math.log10(bottom)), Math.ceil(Math.log10(top)))
  const finer = [[1], [2, 5], [3, 7], [1.5, 4], [1.2, 2.5, 6, 8]].map(digits =>
    decades.flatMap(decade => digits.map(digit => tick(digit * 10 ** decade))).filter(inside),
  )
  // Finer ones only where coarse ones are too few to read from.
  let ticks: readonly Tick[] = []
  for (const some of finer) if (ticks.length < ENOUGH_TICKS) ticks = [...ticks, ...some]
  const apart = keepApart(ticks, place, span)
  return { place, ticks: apart.length > 1 ? apart : keepApart([tick(bottom), tick(top)], place, span) }
}

/** Multiples of each other around 1, which is always on it. */
export function ratioScale([low, high]: readonly [number, number], span: Span): Scale {
  const bottom = Math.min(Math.max(low, 1e-6) / 1.03, 0.9)
  const top = Math.max(high * 1.03, 1 / 0.9)
  const { place } = logScale([bottom, top], span)
  const near = [1, 0.5, 2, 0.8, 1.25, 0.67, 1.5, 0.9, 1.1, 0.95, 1.05]
  const far = range(Math.floor(Math.log10(bottom)), Math.ceil(Math.log10(top)))
    .filter(decade => decade !== 0)
    .map(decade => 10 ** decade)
  const between = [0.25, 0.33, 3, 4, 0.2, 5]
  const all = [...near.slice(0, 1), ...far, ...near.slice(1, 3), ...between, ...near.slice(3)]
  const inside = all.filter(value => value >= bottom && value <= top)
  return { place, ticks: keepApart(inside.map(tick), place, span) }
}

/**
 * Shares of all requests as tails are shown: each nine takes as much room as the one before. `deepest` is the
 * last share below 1 that is to be on it.
 */
export function shareScale(deepest: number, span: Span): Scale {
  const nines = (share: number): number => -Math.log10(Math.max(1 - share, 1e-9))
  const line = between(0, Math.max(1, nines(deepest)), span)
  const place = (share: number): number => line(nines(share))
  const labels: readonly (readonly [number, string])[] = [
    [0.99, '99\u2009%'],
    [0.9, '90\u2009%'],
    [0.5, '50\u2009%'],
    [0.999, '99.9\u2009%'],
    [0.9999, '99.99\u2009%'],
    [0, '0'],
    [0.75, '75\u2009%'],
  ]
  const ticks = labels
    .filter(([share]) => share <= Math.max(deepest, 0.9))
    .map(([value, label]) => ({ value, label }))
  return { place, ticks: keepApart(ticks, place, span) }
}

function tick(value: number): Tick {
  const clean = Number(value.toPrecision(6)) // 3 x 0.1 is 0.30000000000000004
  return { value: clean, label: tickText(clean) }
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function between(low: number, high: number, { from, to }: Span): (value: number) => number {
  const width = high - low
  return value => from + ((Math.min(Math.max(value, low), high) - low) / width) * (to - from)
}

/** Those of the ticks whose labels do not touch, the first ones first, in ascending order. */
function keepApart(
  ticks: readonly Tick[],
  place: (value: number) => number,
  { isUpright = false }: Span,
): readonly Tick[] {
  const room = (label: string): number => (isUpright ? 2 * FONT_SIZE : textWidth(label, FONT_SIZE) + 5)
  const kept: Tick[] = []
  for (const candidate of ticks) {
    const isFree = kept.every(
      other =>
        Math.abs(place(candidate.value) - place(other.value)) >=
        (room(candidate.label) + room(other.label)) / 2,
    )
    if (isFree) kept.push(candidate)
  }
  return kept.sort((a, b) => a.value - b.value)
}

/**
 * Shares of the font size in the widest common sans-serif (DejaVu Sans): a narrower one leaves a little room.
 */
const NARROW_EM = 0.64
const CAPITAL_EM = 0.8
const WIDE_EM = 1.05

/**
 * About how wide the text is at that font size, in the units of the font size. There is nothing here that
 * could measure it.
 */
export function textWidth(text: string, fontSize: number): number {
  let ems = 0
  for (const character of text) ems += characterEms(character)
  return ems * fontSize
}

function characterEms(character: string): number {
  if ('mwMW@%'.includes(character) || (character.codePointAt(0) ?? 0) >= 0x500) return WIDE_EM
  return character === character.toLowerCase() ? NARROW_EM : CAPITAL_EM
}

/** The text, or as much of its beginning as fits, with an ellipsis. */
export function fitText(text: string, fontSize: number, width: number): string {
  if (textWidth(text, fontSize) <= width) return text
  let fitting = ''
  let used = WIDE_EM * fontSize // the ellipsis
  for (const character of text) {
    used += textWidth(character, fontSize)
    if (used > width) break
    fitting += character
  }
  return `${fitting.trimEnd()}\u2026`
}
