import { describe, expect, it } from 'vitest'
import { parsePathPattern, prefixPattern } from '../../../../src/service/routes/path-pattern.ts'
import { NO_CONDITIONS, type RouteConditions } from '../../../../src/service/routes/route-conditions.ts'
import {
  type RouteDefinition,
  RouteTable,
  shadowedRoutes,
} from '../../../../src/service/routes/route-table.ts'
import { fc } from '../../../support/property.ts'

/** `*` after a path makes it a prefix. */
function route(
  host: string,
  path: string,
  target: string,
  conditions: Partial<RouteConditions> = {},
): RouteDefinition<string> {
  const pattern = path.endsWith('*') ? prefixPattern(path.slice(0, -1)) : parsePathPattern(path)
  if (typeof pattern === 'string') throw new Error(pattern)
  return { host, path: pattern, conditions: { ...NO_CONDITIONS, ...conditions }, target }
}

const GET = { method: 'GET', headers: [] }
const find = (table: RouteTable<string>, host: string, path: string) =>
  table.match(host, path, '', GET)?.target

const hosts = new RouteTable([
  route('shop.example', '/*', 'shop'),
  route('shop.example', '/api*', 'api'),
  route('shop.example', '/api/v2/*', 'api-v2'),
  route('*.shop.example', '/*', 'any-shop'),
  route('*.example', '/*', 'any-example'),
  route('partial.example', '/only*', 'only'),
  route('[::1]', '/*', 'loopback'),
  route('*', '/*', 'rest'),
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
  ])('matches %s', (_what, host, path, expected) => {
    expect(find(hosts, host, path)).toBe(expected)
    expect(find(hosts, host, path), 'the second look-up, from memory').toBe(expected)
  })

  it.each([
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api/x', 'api'],
    ['/apix', 'shop'],
    ['/api/v2', 'api-v2'],
    ['/api/v2/x', 'api-v2'],
    ['/api/v20', 'api'],
    ['/', 'shop'],
    ['*', 'shop'],
  ])('matches the longest prefix at a segment boundary for %s', (path, expected) => {
    expect(find(hosts, 'shop.example', path)).toBe(expected)
  })

  it('lets a host that matched decide alone', () => {
    expect(find(hosts, 'partial.example', '/only/x')).toBe('only')
    expect(find(hosts, 'partial.example', '/elsewhere')).toBeUndefined()
  })

  it('matches nothing when there is no route for the rest', () => {
    const small = new RouteTable([route('a', '/*', '1')])
    expect(find(small, 'b', '/')).toBeUndefined()
    expect(find(small, '', '/')).toBeUndefined()
  })

  it('returns the same for a host that was evicted in between', () => {
    for (let i = 0; i < 3_000; i++) find(hosts, `host-${i}.test`, '/')
    expect(find(hosts, 'shop.example', '/api')).toBe('api')
    expect(find(hosts, 'host-1.test', '/')).toBe('rest')
  })
})

describe('paths', () => {
  const table = new RouteTable([
    route('a', '/{name...}', 'rest'),
    route('a', '/users/{id}', 'user'),
    route('a', '/users/me', 'me'),
    route('a', '/users/v{n}', 'version'),
    route('a', '/users/{id}/files/{rest...}', 'files'),
    route('a', '/users/{id}/files/{rest...}.png', 'image'),
    route('a', '/users/me/*', 'below me'),
    route('a', '/{x}/me/deep', 'deep'),
  ])
  it.each([
    ['/users/me', 'me', {}],
    ['/users/7', 'user', { id: '7' }],
    ['/users/v2', 'version', { n: '2' }],
    ['/users/v', 'user', { id: 'v' }],
    ['/users/', 'rest', { name: 'users/' }],
    ['/users', 'rest', { name: 'users' }],
    ['/users/7/files/a/b', 'files', { id: '7', rest: 'a/b' }],
    ['/users/7/files/', 'files', { id: '7', rest: '' }],
    ['/users/7/files', 'rest', { name: 'users/7/files' }],
    ['/users/7/files/a/b.png', 'image', { id: '7', rest: 'a/b' }],
    ['/users/me/deep', 'below me', {}],
    ['/others/me/deep', 'deep', { x: 'others' }],
    ['/', 'rest', { name: '' }],
  ])('%s is of %s, with %j', (path, target, captures) => {
    const found = table.match('a', path, '', GET)
    expect(found?.target).toBe(target)
    expect({ ...found?.captures }).toEqual(captures)
  })

  it('finds nothing for the * of OPTIONS but prefixes of everything', () => {
    expect(find(table, 'a', '*')).toBeUndefined()
  })

  it('captures under any name', () => {
    const found = new RouteTable([route('a', '/{constructor}', 'x')]).match('a', '/1', '', GET)
    expect(found?.captures['constructor']).toBe('1')
    expect(found?.captures['toString']).toBeUndefined()
  })
})

describe('conditions', () => {
  const table = new RouteTable([
    route('a', '/*', 'plain'),
    route('a', '/*', 'canary', { headers: [['x-canary', { kind: 'present' }]] }),
    route('a', '/*', 'posts', { methods: ['POST'] }),
    route('a', '/*', 'posts of v2', {
      methods: ['POST'],
      query: [['version', { kind: 'exact', value: '2' }]],
    }),
    route('a', '/api*', 'api, to read', { methods: ['GET'] }),
  ])
  it.each([
    ['GET', '/', '', [], 'plain'],
    ['GET', '/', '', ['x-canary', '1'], 'canary'],
    ['POST', '/', '', ['x-canary', '1'], 'posts'],
    ['POST', '/', 'version=2', [], 'posts of v2'],
    ['GET', '/api', '', [], 'api, to read'],
    ['POST', '/api', '', [], 'posts'],
  ])('%s %s?%s with %j goes to %s', (method, path, query, headers, expected) => {
    expect(table.match('a', path, query, { method, headers })?.target).toBe(expected)
  })

  it('follows the order of definitions where all else is equal', () => {
    const both = [
      route('a', '/*', 'first', { headers: [['x', { kind: 'present' }]] }),
      route('a', '/*', 'second', { headers: [['y', { kind: 'present' }]] }),
    ]
    const request = { method: 'GET', headers: ['x', '1', 'y', '1'] }
    expect(new RouteTable(both).match('a', '/', '', request)?.target).toBe('first')
    expect(new RouteTable(both.toReversed()).match('a', '/', '', request)?.target).toBe('second')
  })
})

const PATTERNS = [
  '/*',
  '/p*',
  '/p/q*',
  '/p/q',
  '/p/{a}',
  '/{a}/q',
  '/{a}',
  '/p/{a...}',
  '/{a...}',
  '/x{a}',
  '/p/',
]
const definitions = fc.array(
  fc.record({
    host: fc.constantFrom('a.x', '*.x', '*.b.x', '*', 'y'),
    path: fc.constantFrom(...PATTERNS),
    method: fc.constantFrom(undefined, 'GET', 'PUT'),
    field: fc.constantFrom(undefined, 'x-a', 'x-b'),
  }),
  { maxLength: 16 },
)
const requests = fc.record({
  host: fc.constantFrom('a.x', 'b.x', 'c.b.x', 'x', 'y'),
  path: fc.constantFrom('/', '/p', '/p/', '/p/q', '/p/q/r', '/pq', '/xy', '/x', '/z/q', '*'),
  method: fc.constantFrom('GET', 'PUT', 'POST'),
  fields: fc.constantFrom([], ['x-a'], ['x-a', 'x-b']),
})
type Drawn = (typeof definitions extends fc.Arbitrary<infer T> ? T : never)[number]

function drawnRoute({ host, path, method, field }: Drawn, index: number): RouteDefinition<string> {
  return route(host, path, String(index), {
    methods: method === undefined ? undefined : [method],
    headers: field === undefined ? [] : [[field, { kind: 'present' }]],
  })
}

it('a route table decides like a plain search over the definitions', () => {
  fc.assert(
    fc.property(definitions, requests, (drawn, request) => {
      const table = new RouteTable(drawn.map(drawnRoute))
      const headers = request.fields.flatMap(name => [name, '1'])
      const found = table.match(request.host, request.path, '', { method: request.method, headers })
      expect(found?.target).toBe(plainSearch(drawn, request))
    }),
    { numRuns: 1_000 },
  )
})

it('a route table calls routes shadowed that no request reaches, and no others', () => {
  fc.assert(
    fc.property(definitions, requests, (drawn, request) => {
      const routes = drawn.map(drawnRoute)
      const headers = request.fields.flatMap(name => [name, '1'])
      const found = new RouteTable(routes).match(request.host, request.path, '', {
        method: request.method,
        headers,
      })
      expect(shadowedRoutes(routes).map(({ route: { target } }) => target)).not.toContain(found?.target ?? '')
    }),
    { numRuns: 500 },
  )
  const twice = [
    route('a', '/{b}', '1', { methods: ['GET', 'PUT'] }),
    route('a', '/{c}', '2', { methods: ['PUT'] }),
  ]
  expect(shadowedRoutes(twice).map(({ route: { target }, by }) => [target, by.target])).toEqual([['2', '1']])
  expect(shadowedRoutes(twice.toReversed())).toEqual([])
})

/** Every route that fits, by a regular expression; then the best of them, by comparing two at a time. */
function plainSearch(
  drawn: readonly Drawn[],
  request: { host: string; path: string; method: string; fields: readonly string[] },
): string | undefined {
  const { host, path, method, fields } = request
  const suffixes = host.split('.').map((_, index, labels) => `*.${labels.slice(index + 1).join('.')}`)
  const winner = [host, ...suffixes, '*'].find(pattern => drawn.some(one => one.host === pattern))
  const fitting = drawn
    .map((one, index) => ({ ...one, index }))
    .filter(one => one.host === winner && expression(one.path).test(path === '*' ? '' : path))
    .filter(one => one.method === undefined || one.method === method)
    .filter(one => one.field === undefined || fields.includes(one.field))
  fitting.sort(
    (a, b) =>
      comparePaths(a.path, b.path) ||
      Number(b.method !== undefined) - Number(a.method !== undefined) ||
      Number(b.field !== undefined) - Number(a.field !== undefined) ||
      a.index - b.index,
  )
  return fitting[0] === undefined ? undefined : String(fitting[0].index)
}

function expression(path: string): RegExp {
  if (path.endsWith('*')) return new RegExp(`^${path.slice(0, -1).replace(/\/$/, '')}(?:$|/)`)
  return new RegExp(`^${path.replace('{a...}', '.*').replace('{a}', '[^/]+')}$`)
}

/** Below 0: the first is more specific. Both fit the same path. */
function comparePaths(a: string, b: string): number {
  const ranks = [a, b].map(path => {
    const isPrefix = path.endsWith('*')
    const segments = path
      .replace(/\/?\*$/, '')
      .split('/')
      .slice(1)
    const own = segments.map(text =>
      text === '{a...}' ? 1 : text.includes('{') ? (text.startsWith('x') ? 3 : 2) : 4,
    )
    return [...own, isPrefix ? 0 : 0.5]
  })
  const [first = [], second = []] = ranks
  const at = first.findIndex((rank, index) => rank !== second[index])
  return at === -1 ? 0 : (second[at] ?? 0) - (first[at] ?? 0)
}
