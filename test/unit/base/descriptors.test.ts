import { describe, expect, it } from 'vitest'
import {
  descriptorLimit,
  openDescriptors,
  readLimit,
  shareDescriptors,
} from '../../../src/base/descriptors.ts'

describe('the shares of descriptors', () => {
  it.each([
    [256, { reserve: 64, origins: 64, clients: 128 }],
    [1_024, { reserve: 128, origins: 298, clients: 598 }],
    [65_536, { reserve: 1_024, origins: 21_504, clients: 43_008 }],
    [16, { reserve: 4, origins: 4, clients: 8 }],
  ])('are computed from a limit of %i', (limit, shares) => {
    expect(shareDescriptors(limit)).toEqual(shares)
  })

  it('add up to the limit, and are one at the least', () => {
    for (let limit = 4; limit < 100_000; limit += 7) {
      const { reserve, origins, clients } = shareDescriptors(limit)
      expect(reserve + origins + clients).toBe(limit)
      expect(Math.min(reserve, origins, clients)).toBeGreaterThan(0)
    }
    expect(shareDescriptors(0)).toEqual({ reserve: 0, origins: 1, clients: 1 })
  })
})

describe('the limit of a process', () => {
  const line = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft}            1048576              files     \n`

  it.each([
    [line('256'), 256],
    [line('unlimited'), undefined],
    ['', undefined],
  ])('is read from %j', (text, limit) => {
    expect(readLimit(() => text)).toBe(limit)
  })

  it('is unknown where there is no such file', () => {
    const read = (): string => {
      throw new Error('ENOENT')
    }
    expect(readLimit(read)).toBeUndefined()
  })

  it.skipIf(process.platform !== 'linux')('is known on Linux, and so is how many are open', () => {
    const open = openDescriptors() ?? 0
    expect(open).toBeGreaterThan(2)
    expect(descriptorLimit() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(open)
  })
})
