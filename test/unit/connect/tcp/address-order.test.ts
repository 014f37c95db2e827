import { describe, expect, it } from 'vitest'
import type { ResolvedAddress } from '../../../../src/base/http/endpoint.ts'
import { orderAddresses } from '../../../../src/connect/tcp/dial-race.ts'
import { fc } from '../../../support/property.ts'

const v4 = (n: number): ResolvedAddress => ({ address: `192.0.2.${n}`, family: 4 })
const v6 = (n: number): ResolvedAddress => ({ address: `2001:db8::${n}`, family: 6 })

describe('the order of addresses', () => {
  it('alternates the families, beginning with that of the first address', () => {
    expect(orderAddresses([v6(1), v6(2), v6(3), v4(1), v4(2)])).toEqual([v6(1), v4(1), v6(2), v4(2), v6(3)])
    expect(orderAddresses([v4(1), v4(2), v6(1)])).toEqual([v4(1), v6(1), v4(2)])
  })

  it('begins with the family that is asked for', () => {
    expect(orderAddresses([v6(1), v4(1), v4(2)], { firstFamily: 4 })).toEqual([v4(1), v6(1), v4(2)])
  })

  it('begins with the other family when there is none of the one asked for', () => {
    expect(orderAddresses([v6(1), v6(2)], { firstFamily: 4 })).toEqual([v6(1), v6(2)])
  })

  it('puts as many of the first family in front as asked for (RFC 8305 First Address Family Count)', () => {
    expect(orderAddresses([v6(1), v6(2), v6(3), v4(1)], { firstFamilyCount: 2 })).toEqual([
      v6(1),
      v6(2),
      v4(1),
      v6(3),
    ])
  })

  it('drops what comes again, but not the same address with another port', () => {
    expect(orderAddresses([v4(1), v4(1), { ...v4(1), port: 81 }])).toEqual([v4(1), { ...v4(1), port: 81 }])
  })

  it('has no order for no addresses', () => {
    expect(orderAddresses([])).toEqual([])
  })

  it('loses none, and keeps the order within a family', () => {
    const list = fc.uniqueArray(fc.record({ n: fc.nat(50), six: fc.boolean() }), {
      selector: ({ n, six }) => `${n} ${six}`,
    })
    fc.assert(
      fc.property(list, fc.constantFrom(undefined, 4 as const, 6 as const), (entries, firstFamily) => {
        const addresses = entries.map(({ n, six }) => (six ? v6(n) : v4(n)))
        const ordered = orderAddresses(addresses, firstFamily === undefined ? {} : { firstFamily })
        for (const family of [4, 6]) {
          expect(ordered.filter(a => a.family === family)).toEqual(addresses.filter(a => a.family === family))
        }
      }),
    )
  })
})
