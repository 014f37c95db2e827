import { coordinate } from './coordinate.ts'
import { type Markup, markup } from './markup.ts'
import type { MarkerShape, SubjectLook } from './subject-look.ts'

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
