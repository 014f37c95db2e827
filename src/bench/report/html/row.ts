import { CHART_WIDTH } from './chart.ts'
import { coordinate } from './coordinate.ts'
import { drawMarker } from './marker.ts'
import { type Markup, markup } from './markup.ts'
import { FONT_SIZE } from './scale.ts'
import type { SubjectLook } from './subject-look.ts'
import { fitText, textWidth } from './text-width.ts'

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
