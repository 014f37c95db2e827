import { describe, expect, it } from 'vitest'
import { parseByteSize, parseDuration } from '../../../../../src/service/config/fields/option-group.ts'
import { fc } from '../../../../support/property.ts'

describe('parseDuration', () => {
  it.each([
    [0, 0],
    [250, 250],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['1m', 60_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['1m30s', 90_000],
    [' 5s ', 5_000],
  ])('reads %j as %d ms', (value, expected) => {
    expect(parseDuration(value)).toBe(expected)
  })

  it.each([
    '',
    '30',
    's',
    '30 s',
    '5 minutes',
    '-1s',
    '1e3ms',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    true,
    [],
  ])('refuses %j', value => {
    expect(parseDuration(value)).toBeUndefined()
  })

  it('reads any whole number of a unit as it was written', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.constantFrom('ms', 's', 'm', 'h'), (amount, unit) => {
        const factor = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit]
        expect(parseDuration(`${amount}${unit}`)).toBe(amount * factor)
      }),
    )
  })
})

describe('parseByteSize', () => {
  it.each([
    [65_536, 65_536],
    ['512B', 512],
    ['64KiB', 65_536],
    ['64kib', 65_536],
    ['1MiB', 1_048_576],
    ['10MB', 10_000_000],
    ['1.5KiB', 1_536],
  ])('reads %j as %d bytes', (value, expected) => {
    expect(parseByteSize(value)).toBe(expected)
  })

  it.each(['', '64', '64K', 'KiB', '-1KiB', 1.5, -1, null, {}])('refuses %j', value => {
    expect(parseByteSize(value)).toBeUndefined()
  })
})
