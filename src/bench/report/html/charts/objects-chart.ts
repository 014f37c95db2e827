import type { ObjectTime } from '../../../results/scenario-result.ts'
import { isFigure } from '../../table.ts'
import {
  AXIS_HEIGHT,
  CHART_WIDTH,
  type Chart,
  dots,
  drawAcross,
  drawLabel,
  INSET,
  point,
  rowPlaces,
} from '../chart.ts'
import { millisecondsText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { extent, linearScale, type Scale } from '../scale.ts'
import type { SubjectLook } from '../subject-look.ts'

export interface ObjectSeries {
  readonly look: SubjectLook
  readonly objects: readonly ObjectTime[]
}

/** What a row has room for; of more, every so manieth is drawn, and whatever failed. */
const MAX_DRAWN = 240
const LEAST_BAND = 22
const MOST_BAND = 64

/**
 * When each object was complete: a row for each subject, the first to end on top. Undefined: nobody reported
 * it.
 */
export function objectsChart(id: string, series: readonly ObjectSeries[]): Chart | undefined {
  const rows = series
    .map(({ look, objects }) => ({ look, objects: inOrder(objects) }))
    .filter(({ objects }) => objects.length > 0)
  const span = extent(rows.flatMap(({ objects }) => objects.map(({ endedAtMs }) => endedAtMs)))
  if (span === undefined) return undefined
  const most = Math.max(...rows.map(({ objects }) => objects.length))
  const band = Math.min(Math.max(3 * most, LEAST_BAND), MOST_BAND)
  const { top, bottom } = rowPlaces(rows.length, band)
  const scale = linearScale(span, { from: INSET, to: CHART_WIDTH - INSET })
  const isThinned = most > MAX_DRAWN
  const hasFailures = rows.some(({ objects }) => objects.some(({ hasFailed = false }) => hasFailed))
  return {
    kind: 'objects',
    id,
    title: 'Completion of each object',
    hint: `One round; a line from its start to its last byte, ms from the start of the load, by order of completion.${isThinned ? ` Of more than ${MAX_DRAWN} a part is drawn.` : ''}${hasFailures ? ' Crosses failed.' : ''}`,
    description: rows.map(describe).join(' '),
    height: bottom + AXIS_HEIGHT,
    drawing: [drawAcross(scale, 0, bottom), rows.map((row, i) => drawRow(row, top(i), band, scale))],
  }
}

function inOrder(objects: readonly ObjectTime[]): readonly ObjectTime[] {
  return objects
    .filter(({ startedAtMs, endedAtMs }) => isFigure(startedAtMs) && isFigure(endedAtMs))
    .sort((a, b) => a.endedAtMs - b.endedAtMs)
}

function drawRow({ look, objects }: ObjectSeries, top: number, band: number, scale: Scale): Markup {
  const stride = Math.ceil(objects.length / MAX_DRAWN)
  const drawn = objects.flatMap(({ startedAtMs, endedAtMs, hasFailed = false }, i) => {
    const y = top + ((i + 0.5) / objects.length) * band
    const isDrawn = hasFailed || i % stride === 0 || i === objects.length - 1
    return isDrawn ? [{ from: scale.place(startedAtMs), to: scale.place(endedAtMs), y, hasFailed }] : []
  })
  const lines = drawn.map(({ from, to, y }) => `M${point(from, y)}L${point(to, y)}`).join('')
  const whole = drawn.filter(({ hasFailed }) => !hasFailed).map(({ to, y }) => [to, y] as const)
  const failed = drawn
    .filter(({ hasFailed }) => hasFailed)
    .map(({ to, y }) => `M${point(to - 3, y - 3)}l6 6M${point(to + 3, y - 3)}l-6 6`)
    .join('')
  return markup`${drawLabel(look, top, lastText(objects))}<path class="spans ${look.color}" d="${lines}"/><path class="mark dots ${look.color}" d="${dots(whole)}"/>${failed === '' ? undefined : markup`<path class="mark failed" d="${failed}"/>`}`
}

function lastText(objects: readonly ObjectTime[]): string {
  const failures = objects.filter(({ hasFailed = false }) => hasFailed).length
  const last = `${objects.length} by ${millisecondsText(objects.at(-1)?.endedAtMs)}`
  return failures === 0 ? last : `${last}, ${failures} failed`
}

function describe({ look, objects }: ObjectSeries): string {
  const half = objects[Math.ceil(objects.length / 2) - 1]
  return `${look.subject}: half of ${objects.length} objects by ${millisecondsText(half?.endedAtMs)}, the last by ${millisecondsText(objects.at(-1)?.endedAtMs)}.`
}
