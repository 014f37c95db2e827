import { describe, expect, it } from 'vitest'
import { formatNumber, formatTable } from '../../../../src/bench/report/table.ts'

describe('formatTable', () => {
  const rows = [
    ['a', '1', '22', '333'],
    ['  of 5', '', '', '3..4'],
  ]

  it('aligns the first column to the left and figures to the right', () => {
    expect(formatTable(['who', 'x', 'y', 'long'], rows)).toBe(
      `who     x   y  long
------  -  --  ----
a       1  22   333
  of 5         3..4`,
    )
  })

  it('folds what is too wide, with the first column again and without empty rows', () => {
    expect(formatTable(['who', 'x', 'y', 'long'], rows, 14)).toBe(
      `who     x   y
------  -  --
a       1  22

who     long
------  ----
a        333
  of 5  3..4`,
    )
  })

  it('keeps a column in each table, however narrow the line', () => {
    expect(formatTable(['who', 'x', 'y'], [['a', '1', '2']], 1).split('\n\n')).toHaveLength(2)
  })
})

describe('formatNumber', () => {
  it('keeps three significant digits, prints whole numbers in full, and a dash for what is not reported', () => {
    expect([0.0123456, 1.005, 12.34, 123.4, 1234.5, 123_456].map(formatNumber)).toEqual([
      '0.0123',
      '1.00',
      '12.3',
      '123',
      '1235',
      '123456',
    ])
    expect([undefined, Number.NaN, Number.POSITIVE_INFINITY].map(formatNumber)).toEqual(['-', '-', '-'])
  })
})
