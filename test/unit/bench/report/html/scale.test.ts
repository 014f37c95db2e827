import { describe, expect, it } from 'vitest'
import {
  extent,
  linearScale,
  logScale,
  ratioScale,
  shareScale,
  textWidth,
} from '../../../../../src/bench/report/html/scale.ts'
import { fc } from '../../../../support/property.ts'

const SPAN = { from: 6, to: 338 }
const labels = (scale: { ticks: readonly { label: string }[] }) => scale.ticks.map(({ label }) => label)

describe('scales', () => {
  it('puts zero on a linear scale, with round numbers around the values', () => {
    const scale = linearScale([43, 61], SPAN)
    expect(labels(scale)).toEqual(['0', '20', '40', '60', '80'])
    expect([0, 40, 80].map(scale.place)).toEqual([6, 172, 338])
  })

  it('reaches below zero when a figure does', () => {
    expect(labels(linearScale([-30, 55], SPAN))).toEqual(['\u221250', '0', '50', '100'])
  })

  it('has equal multiples equally far apart on a log scale', () => {
    const { place } = logScale([1, 10_000], SPAN)
    expect(place(100) - place(10)).toBeCloseTo(place(1_000) - place(100))
    expect(place(-1)).toBe(place(1))
  })

  it('always shows 1 among ratios', () => {
    for (const span of [
      [1, 1],
      [0.99, 1.01],
      [3, 4],
      [0.001, 0.002],
      [1e-5, 1e4],
    ] as const) {
      expect(labels(ratioScale(span, SPAN))).toContain('1')
    }
  })

  it('gives each further nine of a percentile the same room', () => {
    const { place } = shareScale(0.9999, SPAN)
    expect(place(0.99) - place(0.9)).toBeCloseTo(place(0.999) - place(0.99))
    expect(labels(shareScale(0.999, SPAN))).toEqual([
      '0',
      '50\u2009%',
      '90\u2009%',
      '99\u2009%',
      '99.9\u2009%',
    ])
  })

  it('leaves out of an extent what cannot be drawn', () => {
    expect(extent([2, Number.NaN, undefined, 1, Number.POSITIVE_INFINITY, 1e300])).toEqual([1, 2])
    expect(extent([Number.NaN])).toBeUndefined()
  })

  it('stays within its span, rises, and never lets two labels touch, whatever the figures', () => {
    const figure = fc.double({ min: -1e15, max: 1e15, noNaN: true })
    fc.assert(
      fc.property(figure, figure, figure, figure, (a, b, c, d) => {
        const ends = [Math.min(a, b), Math.max(a, b)] as const
        for (const scale of [linearScale(ends, SPAN), logScale(ends, SPAN), ratioScale(ends, SPAN)]) {
          const places = [c, d].sort((x, y) => x - y).map(scale.place)
          expect(places[0]).toBeGreaterThanOrEqual(SPAN.from)
          expect(places[1]).toBeLessThanOrEqual(SPAN.to)
          expect(places[0]).toBeLessThanOrEqual(places[1] ?? Number.NaN)
          const shown = scale.ticks.map(({ value, label }) => ({
            at: scale.place(value),
            width: textWidth(label, 11),
          }))
          for (const [i, { at, width }] of shown.slice(1).entries()) {
            const before = shown[i] ?? { at: 0, width: 0 }
            expect(at - before.at).toBeGreaterThanOrEqual((width + before.width) / 2)
          }
        }
      }),
    )
  })
})
