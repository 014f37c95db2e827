import { describe, expect, it } from 'vitest'
import {
  impliesConditions,
  meetsConditions,
  NO_CONDITIONS,
  queryValue,
  type RouteConditions,
  type ValueRule,
} from '../../../../src/service/routes/route-conditions.ts'
import { fc } from '../../../support/property.ts'

const request = { method: 'GET', headers: ['accept', 'text/html', 'x-a', '1', 'x-a', '2'] }
const meets = (conditions: Partial<RouteConditions>, query = '') =>
  meetsConditions({ ...NO_CONDITIONS, ...conditions }, request, query)

describe('meetsConditions', () => {
  it.each<[Partial<RouteConditions>, boolean]>([
    [{}, true],
    [{ methods: ['HEAD', 'GET'] }, true],
    [{ methods: ['get'] }, false],
    [{ headers: [['accept', { kind: 'exact', value: 'text/html' }]] }, true],
    [{ headers: [['accept', { kind: 'exact', value: 'text' }]] }, false],
    [{ headers: [['accept', { kind: 'prefix', value: 'text/' }]] }, true],
    [{ headers: [['accept', { kind: 'prefix', value: 'html' }]] }, false],
    [{ headers: [['x-a', { kind: 'exact', value: '1, 2' }]] }, true],
    [{ headers: [['x-a', { kind: 'present' }]] }, true],
    [{ headers: [['x-b', { kind: 'present' }]] }, false],
    [{ headers: [['x-b', { kind: 'absent' }]] }, true],
    [{ headers: [['x-a', { kind: 'absent' }]] }, false],
  ])('for %j returns %s', (conditions, expected) => {
    expect(meets(conditions)).toBe(expected)
  })

  it('reads parameters of the query', () => {
    const rule: ValueRule = { kind: 'exact', value: 'a b' }
    expect(meets({ query: [['q', rule]] }, 'x=1&q=a+b')).toBe(true)
    expect(meets({ query: [['q', rule]] }, 'x=1')).toBe(false)
    expect(meets({ query: [['q', { kind: 'present' }]] }, 'q')).toBe(true)
  })
})

it.each([
  ['a=1&b=2', 'b', '2'],
  ['a=1&a=2', 'a', '1'],
  ['a', 'a', ''],
  ['a=', 'a', ''],
  ['a=b=c', 'a', 'b=c'],
  ['%61=%31', 'a', '1'],
  ['a=%zz', 'a', '%zz'],
  ['ab=1', 'a', undefined],
  ['', 'a', undefined],
  ['&&a=1', 'a', '1'],
])('queryValue(%j, %j) is %j', (query, name, expected) => {
  expect(queryValue(query, name)).toBe(expected)
})

it('one condition implies another only where every request shows it', () => {
  const rule = fc.constantFrom<ValueRule>(
    { kind: 'present' },
    { kind: 'absent' },
    { kind: 'exact', value: 'ab' },
    { kind: 'exact', value: 'b' },
    { kind: 'prefix', value: 'a' },
    { kind: 'prefix', value: 'ab' },
  )
  const conditions = fc.record({
    methods: fc.constantFrom(undefined, ['GET'], ['GET', 'PUT']),
    headers: fc.uniqueArray(fc.tuple(fc.constantFrom('x', 'y'), rule), { selector: ([name]) => name }),
    query: fc.constantFrom<RouteConditions['query']>([], [['q', { kind: 'present' }]]),
  })
  const value = fc.constantFrom(undefined, 'a', 'ab', 'abc', 'b')
  fc.assert(
    fc.property(
      fc.tuple(conditions, conditions),
      fc.tuple(fc.constantFrom('GET', 'PUT', 'POST'), value, value, fc.constantFrom('', 'q=1')),
      ([a, b], [method, x, y, query]) => {
        const fields = { x, y }
        const headers = Object.entries(fields).flatMap(([name, text]) =>
          text === undefined ? [] : [name, text],
        )
        if (!impliesConditions(a, b) || !meetsConditions(a, { method, headers }, query)) return
        expect(meetsConditions(b, { method, headers }, query)).toBe(true)
      },
    ),
    { numRuns: 500 },
  )
  expect(impliesConditions(NO_CONDITIONS, { ...NO_CONDITIONS, methods: ['GET'] })).toBe(false)
  expect(impliesConditions({ ...NO_CONDITIONS, methods: ['GET'] }, NO_CONDITIONS)).toBe(true)
})
