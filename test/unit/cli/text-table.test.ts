import { describe, expect, it } from 'vitest'
import { PLAIN_SCREEN, screenOf } from '../../../src/cli/terminal.ts'
import { screenTable, screenText, textTable } from '../../../src/cli/text-table.ts'

const at = (columns: number) => screenOf({ isTTY: true, columns }, {})

describe('a text table', () => {
  it('aligns by what is visible, since styles have no width', () => {
    const { paint } = screenOf({ isTTY: true }, {})
    expect(
      textTable([
        [paint('red', 'a'), 'x'],
        ['bbb', 'y'],
      ]),
    ).toBe('\x1b[31ma\x1b[0m    x\nbbb  y\n')
    expect(textTable([['1'], ['100']], new Set([0]))).toBe('  1\n100\n')
  })
})

describe('a table on a screen', () => {
  const ROWS = [
    [' h3', 'not tried', 'unknown whether the origin speaks it: nobody has looked'],
    [' http/1.1', 'tried', 'choice 2 of 2'],
  ]

  it('stays as it is in a pipe, and where it fits', () => {
    expect(screenTable(ROWS, PLAIN_SCREEN)).toBe(textTable(ROWS))
    expect(screenTable(ROWS, at(80))).toBe(textTable(ROWS))
  })

  it('wraps its wide cells between words, each in its column, on a terminal that is narrower', () => {
    expect(screenTable(ROWS, at(60))).toBe(
      [
        ' h3        not tried  unknown whether the origin speaks it:',
        '                      nobody has looked',
        ' http/1.1  tried      choice 2 of 2',
        '',
      ].join('\n'),
    )
  })

  it('puts the last cell of each row below the others where its column would be too narrow to read', () => {
    expect(screenTable(ROWS, at(40))).toBe(
      [
        ' h3        not tried',
        '     unknown whether the origin speaks',
        '     it: nobody has looked',
        ' http/1.1  tried',
        '     choice 2 of 2',
        '',
      ].join('\n'),
    )
  })

  it.each([20, 40, 60, 80, 120])(
    'has no row that is wider than %i columns, whatever the cells are',
    columns => {
      const words = (count: number, length: number) =>
        Array(Math.ceil(count)).fill('x'.repeat(length)).join(' ')
      for (const [first, second, third] of [
        [3, 3, 200],
        [150, 3, 3],
        [90, 90, 90],
        [19, 19, 60],
      ] as const) {
        for (const length of [2, 7, 300]) {
          const table = screenTable(
            [
              [` ${words(first / 3, 2)}`, words(second / 3, 2), words(third / length, length)],
              ['', '', 'short'],
            ],
            at(columns),
          )
          for (const line of table.split('\n')) expect(line.length, line).toBeLessThanOrEqual(columns)
          expect(table.match(/short/g)).toHaveLength(1)
        }
      }
    },
  )
})

describe('prose on a screen', () => {
  it('is wrapped between words at a terminal, keeps its own lines, and stays as it is in a pipe', () => {
    expect(screenText('one two three\n\nfour\n', at(8))).toBe('one two\nthree\n\nfour\n')
    expect(screenText('one two three\n', PLAIN_SCREEN)).toBe('one two three\n')
  })
})
