import { CHART_WIDTH } from './chart.ts'
import { coordinate } from './coordinate.ts'
import { type Markup, markup } from './markup.ts'
import { FONT_SIZE, type Scale, type Tick } from './scale.ts'
import { textWidth } from './text-width.ts'

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
