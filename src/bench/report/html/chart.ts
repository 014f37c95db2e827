import { coordinate } from './coordinate.ts'
import { type Markup, markup, type Part } from './markup.ts'

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
