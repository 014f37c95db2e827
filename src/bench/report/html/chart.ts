import type { Interval } from '../../results/statistics.ts'
import { type Markup, markup, type Part } from './markup.ts'
import { FONT_SIZE, fitText, type Scale, type Tick, textWidth } from './scale.ts'
import type { MarkerShape, SubjectLook } from './subject-look.ts'

/**
 * The width of every chart, in units that are pixels on a narrow screen. Charts stand beside each other on a
 * wide one: none has to be shrunk for a phone.
 */
export const CHART_WIDTH = 344

/** A drawing, and what says the same in words. */
export interface Chart {
  /** `latency`, `phases`, …: what it shows. */
  readonly kind: string
  /** Unique within the page. */
  readonly id: string
  readonly title: string
  /** How to read it, below the title. */
  readonly hint: string
  /** The figures in words, for who does not see the drawing. */
  readonly description: string
  readonly height: number
  readonly drawing: Part
  /** Below the drawing: a key. */
  readonly key?: Markup
}

export function drawChart(chart: Chart): Markup {
  const { kind, id, title, hint, description, height, drawing, key } = chart
  return markup`<figure class="chart" data-chart="${kind}">
<figcaption><strong>${title}</strong> <span class="hint">${hint}</span></figcaption>
<svg viewBox="0 0 ${CHART_WIDTH} ${coordinate(height)}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${drawing}
</svg>${key}
</figure>
`
}

/** The line of text above what is drawn of a subject. */
const LABEL_HEIGHT = 16
/** Between one subject and the next. */
const ROW_GAP = 7
/** Drawings keep away from the edges by so much: a dot on an edge is a whole dot. */
export const INSET = 6

/** Where rows of the same height lie: `top` of the i-th one's drawing, and where all of them end. */
export function rowPlaces(
  rows: number,
  drawingHeight: number,
): { readonly top: (index: number) => number; readonly bottom: number } {
  const pitch = LABEL_HEIGHT + drawingHeight + ROW_GAP
  return { top: index => index * pitch + LABEL_HEIGHT, bottom: rows * pitch }
}

/**
 * A subject's name to the left and its figure to the right, above what is drawn at `top`. The name gives way,
 * not the figure; grid lines give way to both.
 */
export function drawLabel(look: SubjectLook, top: number, figure: string, name = look.subject): Markup {
  const baseline = top - 5
  const room = CHART_WIDTH - 14 - textWidth(figure, FONT_SIZE) - 10
  const shown = fitText(name, FONT_SIZE, room)
  const behind = [14 + textWidth(shown, FONT_SIZE), textWidth(figure, FONT_SIZE) + 4].map((width, i) => {
    const x = i === 0 ? 0 : CHART_WIDTH - width
    return markup`<rect class="behind" x="${coordinate(x)}" y="${coordinate(baseline - 10)}" width="${coordinate(width)}" height="13"/>`
  })
  return markup`${behind}${drawMarker(look, 5, baseline - 4)}<text class="name" x="14" y="${coordinate(baseline)}">${shown}${shown === name ? undefined : markup`<title>${name}</title>`}</text><text class="figure" x="${CHART_WIDTH}" y="${coordinate(baseline)}" text-anchor="end">${figure}</text>`
}

/** Fragment identifiers are counted, never made of names: names are data. */
export function scenarioId(scenario: number): string {
  return `s${scenario + 1}`
}

export function caseId(scenario: number, index: number): string {
  return `s${scenario + 1}c${index + 1}`
}

/** Outlines around (0, 0) of about the same area. */
const OUTLINES: Readonly<Record<MarkerShape, string>> = {
  circle: 'M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z',
  square: 'M-3.2-3.2h6.4v6.4h-6.4z',
  triangle: 'M0-4.4L4.3 3.2H-4.3z',
  diamond: 'M0-4.7L4.1 0L0 4.7L-4.1 0z',
  cross: 'M-4-2.2L-2.2-4L0-1.8L2.2-4L4-2.2L1.8 0L4 2.2L2.2 4L0 1.8L-2.2 4L-4 2.2L-1.8 0z',
  wedge: 'M0 4.4L4.3-3.2H-4.3z',
  plus: 'M-1.3-4.2h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z',
  bar: 'M-4.3-1.6h8.6v3.2h-8.6z',
}

/** A subject's marker. A hollow one says: nothing is shown here. */
export function drawMarker(look: SubjectLook, x: number, y: number, isHollow = false): Markup {
  const kind = isHollow ? 'marker hollow' : 'marker'
  return markup`<path class="${kind} ${look.color}" transform="translate(${coordinate(x)} ${coordinate(y)})" d="${OUTLINES[look.shape]}"/>`
}

/** Line and marker as a key shows them, in running text. */
export function drawSwatch(look: SubjectLook): Markup {
  return markup`<svg class="swatch" viewBox="0 0 28 10" aria-hidden="true"><path class="line ${look.color}" stroke-dasharray="${look.dash}" d="M0 5H28"/>${drawMarker(look, 14, 5)}</svg>`
}

/** The marker alone. */
export function drawBadge(look: SubjectLook): Markup {
  return markup`<svg class="badge" viewBox="-5 -5 10 10" aria-hidden="true">${drawMarker(look, 0, 0)}</svg>`
}

/**
 * Between all rounds a thin line with ends; where there are enough of them for a 95 % interval, that as a
 * thick one upon it.
 */
export function drawWhiskers(
  { min, max, interval }: { readonly min: number; readonly max: number; readonly interval?: Interval },
  y: number,
  scale: Scale,
): Markup {
  const [left, right] = [coordinate(scale.place(min)), coordinate(scale.place(max))]
  const sure =
    interval &&
    markup`<path class="interval" d="M${coordinate(scale.place(interval.low))} ${coordinate(y)}H${coordinate(scale.place(interval.high))}"/>`
  return markup`<path class="whisker" d="M${left} ${coordinate(y - 4)}v8M${left} ${coordinate(y)}H${right}M${right} ${coordinate(y - 4)}v8"/>${sure}`
}

/** What an axis needs below the drawing. */
export const AXIS_HEIGHT = 18

/** Grid lines from top to bottom with their figures below, kept within the chart at its edges. */
export function drawAcross(scale: Scale, top: number, bottom: number): Markup {
  return markup`<g class="axis">${scale.ticks.map(tick => drawTick(tick, scale.place(tick.value), top, bottom))}</g>`
}

function drawTick({ label }: Tick, x: number, top: number, bottom: number): Markup {
  const half = textWidth(label, FONT_SIZE) / 2
  const at = Math.min(Math.max(x, half), CHART_WIDTH - half)
  return markup`<path class="grid" d="M${coordinate(x)} ${coordinate(top)}V${coordinate(bottom)}"/><text x="${coordinate(at)}" y="${coordinate(bottom + 13)}" text-anchor="middle">${label}</text>`
}

/** Grid lines from left to right with their figures before them. */
export function drawUpright(scale: Scale, left: number, right: number): Markup {
  const lines = scale.ticks.map(({ value, label }) => {
    const y = scale.place(value)
    return markup`<path class="grid" d="M${coordinate(left)} ${coordinate(y)}H${coordinate(right)}"/><text x="${coordinate(left - 5)}" y="${coordinate(y + 3.8)}" text-anchor="end">${label}</text>`
  })
  return markup`<g class="axis">${lines}</g>`
}

/**
 * A place in a chart: two digits are finer than any screen. What is no number is a mistake in here, not in
 * the data.
 */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a chart has no place for ${value}`)
  return String(Math.round(value * 100) / 100)
}

/** `x y` within a path. */
export function point(x: number, y: number): string {
  return `${coordinate(x)} ${coordinate(y)}`
}

/**
 * A path that goes straight across to each point, and only there up or down: a value that holds until the
 * next one.
 */
export function staircase(points: readonly (readonly [x: number, y: number])[]): string {
  return points
    .map(([x, y], i) => (i === 0 ? `M${point(x, y)}` : `H${coordinate(x)}V${coordinate(y)}`))
    .join('')
}

/** Dots, as lines of no length with round ends: a tenth of the size of circles. */
export function dots(points: readonly (readonly [x: number, y: number])[]): string {
  return points.map(([x, y]) => `M${point(x, y)}h0`).join('')
}
