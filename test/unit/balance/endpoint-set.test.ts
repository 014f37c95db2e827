import { describe, expect, it } from 'vitest'
import {
  type AnswerScope,
  type EndpointEntry,
  type EndpointPlace,
  EndpointSet,
} from '../../../src/balance/endpoint-set.ts'
import { fc } from '../../support/property.ts'

const place = (address: string): EndpointPlace => ({
  address,
  key: `${address}:443`,
  family: address.includes(':') ? 6 : 4,
})

function literal(address: string, weight = 1): EndpointEntry {
  return { at: { kind: 'address', place: place(address) }, weight, tier: 0, zone: '' }
}

function named(name: string, weight = 1, tier = 0): EndpointEntry {
  return { at: { kind: 'name', name }, weight, tier, zone: '' }
}

function setOf(entries: readonly EndpointEntry[], perName = 64, total = 256) {
  const set = new EndpointSet({ perName, total })
  set.configure(entries, perName)
  const answer = (name: string, addresses: readonly string[], scope: AnswerScope = 'all') =>
    set.onAnswer(name, addresses.map(place), scope)
  const addresses = (): string[] => set.endpoints.map(({ address }) => address)
  return { set, answer, addresses }
}

describe('the set of endpoints', () => {
  it('has every address of a name as an endpoint with the weight, tier and zone of its entry', () => {
    const { set, answer } = setOf([literal('192.0.2.1'), named('b', 3, 1)])
    expect(set.endpoints).toHaveLength(1)
    const change = answer('b', ['192.0.2.9', '192.0.2.8'])
    expect(change?.added.map(({ index, address }) => [index, address])).toEqual([
      [1, '192.0.2.8'],
      [2, '192.0.2.9'],
    ])
    expect(set.endpoints.slice(1)).toMatchObject([
      { weight: 3, tier: 1, name: 'b' },
      { weight: 3, tier: 1, name: 'b' },
    ])
  })

  it('keeps the number of what stays, and gives none twice', () => {
    const { set, answer } = setOf([named('b')])
    answer('b', ['192.0.2.1', '192.0.2.2'])
    expect(answer('b', ['192.0.2.2', '192.0.2.3'])).toMatchObject({
      added: [{ index: 2, address: '192.0.2.3' }],
      removed: [{ index: 0, address: '192.0.2.1' }],
    })
    answer('b', ['192.0.2.1', '192.0.2.2'])
    expect(set.endpoints.map(({ index, address }) => [address, index])).toEqual([
      ['192.0.2.2', 1],
      ['192.0.2.1', 3],
    ])
  })

  it('takes an answer in another order, or an empty one, for no news', () => {
    const { answer, addresses } = setOf([named('b')])
    answer('b', ['192.0.2.1', '192.0.2.2'])
    expect(answer('b', ['192.0.2.2', '192.0.2.1'])).toBeUndefined()
    expect(answer('b', [])).toBeUndefined()
    expect(addresses()).toEqual(['192.0.2.1', '192.0.2.2'])
  })

  it('takes nothing away that an answer of one family says nothing of', () => {
    const { answer, addresses } = setOf([named('b')])
    answer('b', ['192.0.2.1', '2001:db8::1'])
    answer('b', ['192.0.2.2'], 'one-family')
    expect(addresses()).toEqual(['2001:db8::1', '192.0.2.2'])
    answer('b', ['192.0.2.3'], 'outdated')
    expect(addresses()).toEqual(['2001:db8::1', '192.0.2.2', '192.0.2.3'])
  })

  it('has an address once, by the first entry that names it, and by the other when that one lets it go', () => {
    const { set, answer } = setOf([named('a', 5), named('b', 7)])
    answer('b', ['192.0.2.1'])
    expect(answer('a', ['192.0.2.1'])).toMatchObject({ added: [], removed: [] })
    expect(set.endpoints).toMatchObject([{ index: 0, weight: 5, name: 'a' }])
    answer('a', ['192.0.2.4'])
    expect(set.endpoints).toMatchObject([
      { index: 1, weight: 5 },
      { index: 0, weight: 7, name: 'b' },
    ])
  })

  it('keeps those that it has when a name has more addresses than the bound', () => {
    const { set, answer, addresses } = setOf([named('b')], 2)
    answer('b', ['192.0.2.5', '192.0.2.6'])
    answer('b', ['192.0.2.1', '192.0.2.2', '192.0.2.6'])
    expect(addresses()).toEqual(['192.0.2.6', '192.0.2.1'])
    expect(set.figures('b')).toEqual({ addresses: 2, ignored: 1 })
  })

  it('has no more than the bound in all, and says whose addresses are beyond it', () => {
    const { set, answer, addresses } = setOf([named('a'), named('b')], 64, 3)
    answer('a', ['192.0.2.1', '192.0.2.2'])
    answer('b', ['192.0.2.3', '192.0.2.4'])
    expect(addresses()).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    expect(set.figures('b')).toEqual({ addresses: 1, ignored: 1 })
    answer('a', ['192.0.2.1'])
    expect(set.figures('b')).toEqual({ addresses: 2, ignored: 0 })
  })

  it('keeps what is known of a name that another configuration has as well', () => {
    const { set, answer, addresses } = setOf([named('b'), named('c')])
    answer('b', ['192.0.2.1'])
    answer('c', ['192.0.2.2'])
    const change = set.configure([literal('192.0.2.3'), named('b', 9)], 64)
    expect(change).toMatchObject({ added: [{ address: '192.0.2.3' }], removed: [{ address: '192.0.2.2' }] })
    expect(addresses()).toEqual(['192.0.2.3', '192.0.2.1'])
    expect(set.endpoints[1]).toMatchObject({ index: 0, weight: 9 })
    expect(answer('c', ['192.0.2.2'])).toBeUndefined()
    expect(set.configure([literal('192.0.2.3'), named('b', 9)], 64)).toBeUndefined()
  })

  it('is bounded and consistent, whatever is configured and answered', () => {
    const address = fc.integer({ min: 1, max: 12 }).map(last => `192.0.2.${last}`)
    const entry = fc.oneof(
      fc
        .record({ address, weight: fc.integer({ min: 1, max: 9 }) })
        .map(one => literal(one.address, one.weight)),
      fc.constantFrom(named('a'), named('b', 3), named('c', 1, 1)),
    )
    const step = fc.oneof(
      fc.record({ entries: fc.array(entry, { maxLength: 6 }) }),
      fc.record({
        name: fc.constantFrom('a', 'b', 'c'),
        addresses: fc.array(address, { maxLength: 8 }),
        scope: fc.constantFrom<AnswerScope[]>('all', 'one-family', 'outdated'),
      }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const { set, answer } = setOf([named('a')], 4, 9)
        const numbers = new Map<number, string>()
        let known = new Map<number, string>()
        for (const one of steps) {
          const change =
            'entries' in one ? set.configure(one.entries, 4) : answer(one.name, one.addresses, one.scope)
          for (const { index, address: at } of change?.added ?? []) {
            expect(numbers.has(index)).toBe(false)
            numbers.set(index, at)
            known.set(index, at)
          }
          for (const { index } of change?.removed ?? []) expect(known.delete(index)).toBe(true)
          const now = new Map(set.endpoints.map(({ index, address: at }) => [index, at]))
          expect(now).toEqual(known)
          known = now
          expect(now.size).toBeLessThanOrEqual(9)
          expect(new Set(now.values()).size).toBe(now.size)
          for (const name of set.names) expect(set.figures(name).addresses).toBeLessThanOrEqual(4)
        }
      }),
    )
  })
})
