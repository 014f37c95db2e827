import type { Interval } from '../../results/estimates.ts'
import { coordinate } from './coordinate.ts'
import { type Markup, markup } from './markup.ts'
import type { Scale } from './scale.ts'

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
