import { describe, expect, it } from 'vitest'
import type { Connection } from '../../../../src/base/events/connection.ts'
import type { Resolution } from '../../../../src/base/http/endpoint.ts'
import { drainedNames } from '../../../../src/origin/paths/drained-names.ts'
import type { Alternative } from '../../../../src/select/evidence/alternative-sets.ts'
import { FakeLanes } from '../lanes/fake-lanes.ts'

const OWN: Resolution = { addresses: [{ address: '192.0.2.1', family: 4 }], source: 'system' }
const ELSEWHERE: Resolution = { addresses: [{ address: '198.51.100.1', family: 4 }], source: 'system' }
const never = new AbortController().signal

function setUp(place: Pick<Alternative, 'host' | 'port'> | undefined) {
  const alternative = place as Alternative | undefined // what is looked at
  const { lanes, origin, clock } = new FakeLanes(
    {},
    {
      connectorOf: name => ({
        offered: ['h2', 'http/1.1'],
        alternative: () => (name === 'h3' ? alternative : undefined),
        resolveAlternative: () => Promise.resolve(ELSEWHERE),
      }),
    },
  )
  lanes.named('h3')
  return drainedNames(origin, { resolve: () => Promise.resolve(OWN) }, lanes, clock)
}

const connection = (altUsed?: string) => ({ altUsed }) as Connection // what is looked at

describe('drainedNames', () => {
  it.each([undefined, { host: 'shop.test', port: 8443 }])(
    'has the name of the origin alone where the alternative is %j',
    async place => {
      const names = setUp(place)
      expect(names.map(({ name }) => name)).toEqual(['shop.test'])
      const [own] = names
      expect(own?.has(connection())).toBe(true)
      expect(own?.has(connection('shop.test:8443')), 'another port').toBe(true)
      expect(own?.has(connection('alt.test:443'))).toBe(false)
      expect(await own?.resolve(never)).toBe(OWN)
    },
  )

  it('has that of an alternative elsewhere beside it, each with its own connections', async () => {
    const names = setUp({ host: 'alt.test', port: 443 })
    expect(names.map(({ name }) => name)).toEqual(['shop.test', 'alt.test:443'])
    const [own, elsewhere] = names
    expect([own, elsewhere].map(name => name?.has(connection('alt.test:443')))).toEqual([false, true])
    expect([own, elsewhere].map(name => name?.has(connection()))).toEqual([true, false])
    expect(await elsewhere?.resolve(never)).toBe(ELSEWHERE)
    const old = connection('old.test:443')
    expect(
      names.some(name => name.has(old)),
      'an alternative of before',
    ).toBe(false)
  })
})
