import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePortRange } from '../../../../src/connect/native/port-range.ts'

describe('the range of local ports', () => {
  it.each([
    ['32768\t60999\n', '\n', { first: 32_768, last: 60_999, count: 28_232 }],
    ['1000 1009', '1000,1008-2000,5', { first: 1_000, last: 1_009, count: 7 }],
    ['1000 1009', '1-65535', { first: 1_000, last: 1_009, count: 0 }],
    ['9 8', '', undefined],
    ['0 8', '', undefined],
    ['1 70000', '', undefined],
    ['', '', undefined],
  ])('%j with %j reserved is read', (range, reserved, expected) => {
    expect(parsePortRange(range, reserved)).toEqual(expected)
  })

  it('never counts more ports than there are, whatever is reserved', () => {
    fc.assert(
      fc.property(fc.string(), reserved => {
        const { count = -1 } = parsePortRange('1000 1999', reserved) ?? {}
        expect(count).toBeGreaterThanOrEqual(0)
        expect(count).toBeLessThanOrEqual(1_000)
      }),
    )
  })
})
