import type { ConnectionsAt } from '../../../results/scenario-result.ts'
import { isFigure } from '../../table.ts'
import {
  AXIS_HEIGHT,
  CHART_WIDTH,
  type Chart,
  coordinate,
  dots,
  drawAcross,
  drawLabel,
  INSET,
  rowPlaces,
  staircase,
} from '../chart.ts'
import { figureText, millisecondsText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { extent, linearScale, type Scale } from '../scale.ts'
import type { SubjectLook } from '../subject-look.ts'

export interface ConnectionSeries {
  readonly look: SubjectLook
  readonly connections: readonly ConnectionsAt[]
}

const STRIP = 30

/**
 * How many connections were open when, a strip for each subject, all to the same scale. Undefined: nobody
 * told, or nothing changed: the figures say how many there were.
 */
export function connectionsChart(id: string, series: readonly ConnectionSeries[]): Chart | undefined {
  const rows = series
    .map(({ look, connections }) => ({ look, connections: inOrder(connections) }))
    .filter(({ connections }) => connections.length > 0)
  const all = rows.flatMap(({ connections }) => connections)
  const span = extent(all.map(({ atMs }) => atMs))
  if (span === undefined || rows.every(isFlat)) return undefined
  const most = Math.max(1, peak(all))
  const { top, bottom } = rowPlaces(rows.length, STRIP)
  const scale = linearScale(span, { from: INSET, to: CHART_WIDTH - INSET })
  const heightOf = (open: number): number => (open / most) * STRIP
  return {
    kind: 'connections',
    id,
    title: 'Open connections over time',
    hint: `One round; ms from the start of the load. Each strip is ${figureText(most)} high.`,
    description: rows.map(describe).join(' '),
    height: bottom + AXIS_HEIGHT,
    drawing: [drawAcross(scale, 0, bottom), rows.map((row, i) => drawRow(row, top(i), scale, heightOf))],
  }
}

/** From the start to the end the same number. */
function isFlat({ connections }: ConnectionSeries): boolean {
  return connections.every(({ open }) => open === connections[0]?.open)
}

function inOrder(connections: readonly ConnectionsAt[]): readonly ConnectionsAt[] {
  return connections
    .filter(({ atMs, open }) => isFigure(atMs) && isFigure(open) && open >= 0)
    .sort((a, b) => a.atMs - b.atMs)
}

function drawRow(
  { look, connections }: ConnectionSeries,
  top: number,
  scale: Scale,
  heightOf: (open: number) => number,
): Markup {
  const floor = coordinate(top + STRIP)
  const steps = connections.map(
    ({ atMs, open }) => [scale.place(atMs), top + STRIP - heightOf(open)] as const,
  )
  const line = staircase(steps)
  const left = coordinate(steps[0]?.[0] ?? INSET)
  return markup`${drawLabel(look, top, `at most ${figureText(peak(connections))}`)}<path class="area ${look.color}" d="${line}V${floor}H${left}z"/><path class="floor" d="M${INSET} ${floor}H${CHART_WIDTH - INSET}"/><path class="mark step ${look.color}" d="${line}"/><path class="dots ${look.color}" d="${dots(steps.slice(-1))}"/>`
}

function peak(connections: readonly ConnectionsAt[]): number {
  return connections.reduce((most, { open }) => Math.max(most, open), 0)
}

function describe({ look, connections }: ConnectionSeries): string {
  const last = connections.at(-1)
  return `${look.subject}: at most ${figureText(peak(connections))} open, ${figureText(last?.open)} at ${millisecondsText(last?.atMs)}.`
}
