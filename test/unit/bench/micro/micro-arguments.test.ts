import { describe, expect, it } from 'vitest'
import { parseMicroArguments } from '../../../../bench/micro/micro-arguments.ts'

const KNOWN = ['pool', 'http1']

describe('parseMicroArguments', () => {
  it('runs everything by default, as often as an interval without its ends needs, and writes nothing', () => {
    expect(parseMicroArguments([], KNOWN)).toEqual({
      suites: KNOWN,
      rounds: 9,
      margin: 0.1,
      isStored: false,
      note: undefined,
      failsOnRegression: false,
    })
  })

  it('reads what is given', () => {
    const args = ['--rounds', '7', '--margin', '5', '--store', '--note', 'idle', '--fail-on-regression']
    expect(parseMicroArguments(args, KNOWN)).toEqual({
      suites: KNOWN,
      rounds: 7,
      margin: 0.05,
      isStored: true,
      note: 'idle',
      failsOnRegression: true,
    })
    expect(parseMicroArguments(['http1', 'http1'], KNOWN).suites).toEqual(['http1'])
  })

  it.each([
    [['http9'], 'no suite called http9: pool, http1'],
    [['--rounds', '1.5'], '--rounds takes a whole number above 0'],
    [['--rounds', '0'], '--rounds takes a whole number above 0'],
    [['--margin=-1'], '--margin must be a number, not -1'],
    [['--margin', ''], '--margin must be a number, not '],
    [['--store', 'http1'], '--store takes all suites'],
    [['--store', '--rounds', '5'], '--store takes at least 6 rounds'],
    [['--note', 'idle'], '--note goes with --store'],
  ])('refuses %j', (args, message) => {
    expect(() => parseMicroArguments(args, KNOWN)).toThrow(message)
  })
})
