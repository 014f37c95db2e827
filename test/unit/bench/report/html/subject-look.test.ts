import { describe, expect, it } from 'vitest'
import { PAPER } from '../../../../../src/bench/report/html/style.ts'
import { assignLooks, lookOf, SUBJECT_COLORS } from '../../../../../src/bench/report/html/subject-look.ts'
import { syntheticResultFile } from '../../../../support/bench-result-file.ts'

describe('the look of a subject', () => {
  it('is the same in every scenario, and different for 56 subjects', () => {
    const subjects = Array.from({ length: 56 }, (_, i) => ({ subject: `s${i}`, ms: 10 }))
    const [result] = syntheticResultFile({ subjects, rounds: 1, requests: 2 }).results
    const looks = assignLooks({ results: [result!, { ...result!, cases: [...result!.cases].reverse() }] }) // it has one result
    expect(looks.size).toBe(56)
    expect(new Set([...looks.values()].map(({ color, dash }) => `${color} ${dash}`)).size).toBe(56)
    expect(new Set([...looks.values()].slice(0, 8).map(({ shape }) => shape)).size).toBe(8)
  })

  it('exists for a subject that only a ratio names', () => {
    expect(lookOf(new Map(), 'gone')).toMatchObject({ subject: 'gone', color: 'c7' })
  })

  it('has a contrast with the paper of 3 to 1 at least, in either theme', () => {
    for (const color of SUBJECT_COLORS) {
      expect(contrast(color.light, PAPER.light)).toBeGreaterThan(3)
      expect(contrast(color.dark, PAPER.dark)).toBeGreaterThan(3)
    }
  })
})

/** WCAG 2.2, contrast ratio. */
function contrast(a: string, b: string): number {
  const [dim = 0, bright = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (bright + 0.05) / (dim + 0.05)
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map(at => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
