import { describe, expect, it } from 'vitest'
import { RouteTable } from '../../../../src/service/routes/route-table.ts'
import { fc } from '../../../support/property.ts'

const table = new RouteTable([
  { host: 'shop.example', path: '/', target: 'shop' },
  { host: 'shop.example', path: '/api', target: 'api' },
  { host: 'shop.example', path: '/api/v2/', target: 'api-v2' },
  { host: '*.shop.example', path: '/', target: 'any-shop' },
  { host: '*.example', path: '/', target: 'any-example' },
  { host: 'partial.example', path: '/only', target: 'only' },
  { host: '[::1]', path: '/', target: 'loopback' },
  { host: '*', path: '/', target: 'rest' },
])

describe('RouteTable', () => {
  it.each([
    ['the exact host', 'shop.example', '/', 'shop'],
    ['whatever the letter case', 'SHOP.Example', '/', 'shop'],
    ['whatever the port', 'shop.example:8080', '/', 'shop'],
    ['with the dot of a fully qualified name', 'shop.example.', '/', 'shop'],
    ['a wildcard below the host', 'a.shop.example', '/', 'any-shop'],
    ['the longest wildcard, at any depth', 'b.a.shop.example', '/', 'any-shop'],
    ['a shorter wildcard', 'news.example', '/', 'any-example'],
    ['not a wildcard for its own suffix', 'example', '/', 'rest'],
    ['an IPv6 address', '[::1]', '/', 'loopback'],
    ['an IPv6 address with a port', '[::1]:8080', '/', 'loopback'],
    ['the rest', 'other.test', '/', 'rest'],
    ['a request without a host', '', '/', 'rest'],
  ])('matches %s', (_what, authority, path, expected) => {
    expect(table.match(authority, path)).toBe(expected)
    expect(table.match(authority, path), 'the second look-up, from memory').toBe(expected)
  })

  it.each([
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api/x', 'api'],
    ['/api?x=1', 'api'],
    ['/apix', 'shop'],
    ['/api/v2', 'api-v2'],
    ['/api/v2/x', 'api-v2'],
    ['/api/v20', 'api'],
    ['/', 'shop'],
    ['/x?next=/api', 'shop'],
    ['*', 'shop'],
  ])('takes the longest prefix at a segment boundary for %s', (path, expected) => {
    expect(table.match('shop.example', path)).toBe(expected)
  })

  it('lets a host that matched decide alone', () => {
    expect(table.match('partial.example', '/only/x')).toBe('only')
    expect(table.match('partial.example', '/elsewhere')).toBeUndefined()
  })

  it('matches nothing when there is no route for the rest', () => {
    const small = new RouteTable([{ host: 'a', path: '/', target: 1 }])
    expect(small.match('b', '/')).toBeUndefined()
    expect(small.match('', '/')).toBeUndefined()
  })

  it('answers the same for a host that was forgotten in between', () => {
    for (let i = 0; i < 3_000; i++) table.match(`host-${i}.test`, '/')
    expect(table.match('shop.example', '/api')).toBe('api')
    expect(table.match('host-1.test', '/')).toBe('rest')
  })

  it('decides like a plain search over the definitions', () => {
    const hosts = ['a.x', 'b.x', 'c.b.x', 'x', 'y']
    const definition = fc.record({
      host: fc.constantFrom('a.x', '*.x', '*.b.x', '*', 'y'),
      path: fc.constantFrom('/', '/p', '/p/q', '/pq'),
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(definition, { selector: ({ host, path }) => `${host} ${path}` }),
        fc.constantFrom(...hosts),
        fc.constantFrom('/', '/p', '/p/q', '/p/q/r', '/pq', '/pqr', '/p?q'),
        (definitions, host, path) => {
          const routes = definitions.map(route => ({ ...route, target: `${route.host} ${route.path}` }))
          expect(new RouteTable(routes).match(host, path)).toBe(plainSearch(routes, host, path))
        },
      ),
    )
  })
})

function plainSearch(routes: { host: string; path: string; target: string }[], host: string, path: string) {
  const suffixes = host.split('.').map((_, index, labels) => `*.${labels.slice(index + 1).join('.')}`)
  const winner = [host, ...suffixes, '*'].find(pattern => routes.some(route => route.host === pattern))
  return routes
    .filter(route => route.host === winner)
    .sort((a, b) => b.path.length - a.path.length)
    .find(({ path: prefix }) => prefix === '/' || new RegExp(`^${prefix}(?:$|[/?])`).test(path))?.target
}
