import type { Phase } from '../../../results/scenario-result.ts'
import { isFigure } from '../../table.ts'
import {
  AXIS_HEIGHT,
  CHART_WIDTH,
  type Chart,
  coordinate,
  drawAcross,
  drawLabel,
  INSET,
  rowPlaces,
} from '../chart.ts'
import { millisecondsText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { extent, linearScale, type Scale } from '../scale.ts'
import type { SubjectLook } from '../subject-look.ts'

export interface PhaseSeries {
  readonly look: SubjectLook
  readonly phases: readonly Phase[]
}

const BAND = 15

/** What each phase is called, in the order of a request's life. Fills: `PHASE_PATTERNS`, style.ts. */
const PHASE_NAMES: Readonly<Record<Phase['name'], string>> = {
  queue: 'queue',
  dns: 'DNS',
  connect: 'connect',
  tls: 'TLS',
  waiting: 'waiting',
  body: 'body',
}

/**
 * What the time of the request with the median latency went to, a bar for each subject. Undefined: nobody
 * told.
 */
export function phasesChart(id: string, series: readonly PhaseSeries[]): Chart | undefined {
  const rows = series
    .map(({ look, phases }) => ({ look, phases: phases.filter(isSound) }))
    .filter(({ phases }) => phases.length > 0)
  const span = extent(rows.flatMap(({ phases }) => phases.map(({ endMs }) => endMs)))
  if (span === undefined) return undefined
  const { top, bottom } = rowPlaces(rows.length, BAND)
  const scale = linearScale(span, { from: INSET, to: CHART_WIDTH - INSET })
  const present = new Set(rows.flatMap(({ phases }) => phases.map(({ name }) => name)))
  return {
    kind: 'phases',
    id,
    title: 'Phases of one request',
    hint: 'The one with the median latency of a round; ms from its start.',
    description: rows.map(describe).join(' '),
    height: bottom + AXIS_HEIGHT,
    drawing: [drawAcross(scale, 0, bottom), rows.map((row, i) => drawRow(row, top(i), scale))],
    key: drawKey(present),
  }
}

function isSound({ name, startMs, endMs }: Phase): boolean {
  return Object.hasOwn(PHASE_NAMES, name) && isFigure(startMs) && isFigure(endMs) && startMs <= endMs
}

function drawRow({ look, phases }: PhaseSeries, top: number, scale: Scale): Markup {
  const total = Math.max(...phases.map(({ endMs }) => endMs))
  const bars = phases.map(({ name, startMs, endMs }) => {
    const left = scale.place(startMs)
    const width = Math.max(scale.place(endMs) - left, 0.5) // what took no time to speak of is still there
    return markup`<rect class="mark phase ${name}" x="${coordinate(left)}" y="${coordinate(top)}" width="${coordinate(width)}" height="${BAND}"/>`
  })
  return markup`${drawLabel(look, top, millisecondsText(total))}${bars}`
}

function drawKey(present: ReadonlySet<Phase['name']>): Markup {
  const entries = Object.entries(PHASE_NAMES).filter(([name]) => present.has(name as Phase['name'])) // keys
  return markup`<ul class="key">${entries.map(
    ([name, title]) =>
      markup`<li><svg class="swatch" viewBox="0 0 28 10" aria-hidden="true"><rect class="phase ${name}" x="0.5" y="0.5" width="27" height="9"/></svg> ${title}</li>`,
  )}</ul>`
}

function describe({ look, phases }: PhaseSeries): string {
  const shown = phases.map(
    ({ name, startMs, endMs }) => `${PHASE_NAMES[name]} ${millisecondsText(endMs - startMs)}`,
  )
  return `${look.subject}: ${shown.join(', ')}.`
}
