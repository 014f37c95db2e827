import { describe, expect, it } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'

const head = 'listen: [{ address: :80 }]\norigins: { a: { url: http://a }, b: { url: http://b } }\n'

function read(routes: string) {
  return readConfigText(`${head}routes:\n${routes}`, '/')
}

function settingsOf(routes: string) {
  const { ok, ...rest } = read(routes)
  if (!ok || !('settings' in rest)) throw new Error(JSON.stringify(rest))
  return rest.settings
}

function complaints(routes: string): string[] {
  const result = read(routes)
  return (result.ok ? result.doubts : result.faults).map(fault => formatFault(fault))
}

describe('the routes of a configuration', () => {
  it('have hosts, a path or a pattern, and conditions', () => {
    const { routes } = settingsOf(`
  - name: files
    host: [Shop.example, '*.shop.example']
    pathPattern: /users/{id}/%7eall
    methods: [GET, HEAD]
    headers: { X-Canary: '1', accept: { prefix: text/ }, x-old: { present: false }, y: { present: true } }
    query: { version: { exact: '2' } }
    origin: a
  - origin: b`)
    expect(routes).toMatchObject([
      {
        name: 'files',
        host: 'shop.example',
        at: ['routes', 0],
        path: { names: ['id'], segments: [{ text: 'users' }, { kind: 'capture' }, { text: '~all' }] },
        conditions: {
          methods: ['GET', 'HEAD'],
          headers: [
            ['x-canary', { kind: 'exact', value: '1' }],
            ['accept', { kind: 'prefix', value: 'text/' }],
            ['x-old', { kind: 'absent' }],
            ['y', { kind: 'present' }],
          ],
          query: [['version', { kind: 'exact', value: '2' }]],
        },
        action: { origin: 'a' },
      },
      { name: 'files', host: '*.shop.example' },
      { name: 'routes[1]', host: '*', action: { origin: 'b' } },
    ])
  })

  it('rewrite, redirect, and answer', () => {
    const { routes } = settingsOf(`
  - { path: /api, origin: a, rewrite: { host: '$host', path: /v2 }, requestFields: { set: { X-A: '$client' }, remove: [Cookie] } }
  - { path: /old, redirect: { location: '/new$path' }, responseFields: { add: { x-b: 'b' } } }
  - { path: /ping, respond: { headers: { Content-Type: text/html }, body: pong } }`)
    expect(routes.map(({ action }) => action)).toMatchObject([
      {
        origin: 'a',
        rewrite: { host: '$host', path: '/v2' },
        requestFields: { set: [['x-a', '$client']], add: [], remove: ['cookie'] },
      },
      {
        origin: undefined,
        redirect: { status: 302, location: '/new$path', keepQuery: false },
        responseFields: { set: [], add: [['x-b', 'b']], remove: [] },
      },
      { origin: undefined, respond: { status: 200, headers: [['content-type', 'text/html']], body: 'pong' } },
    ])
  })

  it('have rules for paths', () => {
    const paths = (text: string) => {
      const result = readConfigText(`${head}forwarding: ${text}`, '/')
      if (!result.ok) throw new Error(JSON.stringify(result.faults))
      return result.settings.forwarding.paths
    }
    expect(paths('{}')).toEqual({ normalize: true, ambiguous: 'refuse' })
    expect(paths('{ normalizePaths: false, ambiguousPaths: pass }')).toEqual({
      normalize: false,
      ambiguous: 'pass',
    })
  })

  it.each([
    [
      '{ path: /a, pathPattern: /b, origin: a }',
      '4:30: routes[0].pathPattern: a route has path or pathPattern, and not both',
    ],
    ['{ pathPattern: "/{a", origin: a }', '4:20: routes[0].pathPattern: a brace of "{a" has no other one'],
    ['{ path: /a/../b, origin: a }', '4:13: routes[0].path: no request has such a path: write /b'],
    [
      '{ path: /../b, origin: a }',
      '4:13: routes[0].path: no request has such a path: the path leads above its root',
    ],
    [
      '{ methods: [CONNECT], origin: a }',
      '4:17: routes[0].methods[0]: CONNECT has no path to route by: see forward',
    ],
    ['{ methods: [], origin: a }', '4:16: routes[0].methods: must have at least 1 entry'],
    [
      '{ headers: { Host: x }, origin: a }',
      '4:24: routes[0].headers.Host: never matches: the field belongs to one connection; see host for Host',
    ],
    [
      '{ headers: { X: 1, x: 2 }, origin: a }',
      '4:21: routes[0].headers.X: must be a text, or one of { exact: text }, { prefix: text }, { present: true } and { present: false }',
    ],
    [
      '{ headers: { x: " y" }, origin: a }',
      '4:21: routes[0].headers.x: never matches: no field has such a value',
    ],
    ['{ headers: { x: "1", X: "2" }, origin: a }', '4:29: routes[0].headers.X: is there twice'],
    ['{}', '4:5: routes[0].origin: missing: a route needs origin, redirect, respond or forward'],
    ['{ origin: a, respond: {} }', '4:27: routes[0].respond: a route has one of origin and respond'],
    ['{ respond: {}, rewrite: { path: /a } }', '4:29: routes[0].rewrite: needs an origin'],
    [
      '{ origin: a, pathPattern: "/{id}", rewrite: { path: "/${capture.ID}" } }',
      '4:57: routes[0].rewrite.path: ${capture.ID} is no capture of this route: it captures id',
    ],
    [
      '{ origin: a, rewrite: { path: "/${capture.id}" } }',
      '4:35: routes[0].rewrite.path: ${capture.id} is no capture of this route: the route has no pattern that captures',
    ],
    [
      '{ origin: a, rewrite: { path: "/a b" } }',
      '4:35: routes[0].rewrite.path: must begin with / or a variable, and have no space, backslash or #',
    ],
    [
      '{ redirect: { location: /, status: 304 } }',
      '4:40: routes[0].redirect.status: must be one of 301, 302, 303, 307, 308',
    ],
    ['{ respond: { status: 204, body: x } }', '4:37: routes[0].respond.body: an answer of 204 has no body'],
    [
      '{ respond: { status: 304 } }',
      '4:26: routes[0].respond.status: must be a status from 200 to 599, and not 304',
    ],
    [
      '{ origin: a, requestFields: { remove: [Connection] } }',
      '4:44: routes[0].requestFields.remove[0]: is written by the protocol itself; no route can',
    ],
    ['{ respond: {}, maxBodyBytes: 1 }', '4:34: routes[0].maxBodyBytes: needs an origin'],
    [
      '{ origin: a, retry: { statuses: [404] } }',
      '4:38: routes[0].retry.statuses[0]: must be 429, or from 500 to 599',
    ],
    [
      '{ origin: a, mirror: { origin: c } }',
      '4:36: routes[0].mirror.origin: no origin is called "c"; known: a, b',
    ],
    [
      '{ origin: a, mirror: { origin: b, share: 2 } }',
      '4:46: routes[0].mirror.share: must be at most 1, not 2',
    ],
    [
      '{ origin: a, mirror: { origin: b, maxBodyBytes: 2MiB } }',
      '4:53: routes[0].mirror.maxBodyBytes: must be at most 1048576 bytes, not "2MiB"',
    ],
    [
      '{ origin: a, protocols: [h2] }',
      '4:29: routes[0].protocols: the origin may be spoken to in http/1.1 only',
    ],
    [
      '{ name: "a b", origin: a }',
      '4:13: routes[0].name: must be a name of letters, digits, dot, dash, underscore',
    ],
  ])('refuses %s', (route, fault) => {
    // Where it stands is a matter of the reader's, and the same for all.
    const text = (line: string) => line.replace(/^\d+:\d+: /, '')
    expect(complaints(`  - ${route}`).map(text)).toContain(text(fault))
  })

  it('are faults where two origins are meant by the same, and doubts where none is reached', () => {
    const twice =
      '  - { pathPattern: /x, methods: [GET], origin: a }\n  - { pathPattern: /x, methods: [GET], origin: b }'
    expect(complaints(twice)).toEqual([
      '5:5: routes[1]: host *, pattern /x, methods ["GET"] is routed to "a" already',
    ])
    const shadowed = `
  - { pathPattern: '/x/{id}', methods: [GET, PUT], origin: a }
  - { pathPattern: '/x/{name}', methods: [PUT], origin: b }`
    expect(complaints('  - { path: /x, redirect: { location: / } }\n  - { path: /x/, respond: {} }')).toEqual(
      ['5:5: routes[1]: host *, path /x is routed to {"location":"/"} already'],
    )
    expect(complaints(shadowed)).toEqual([
      '6:5: routes[1]: no request of host * comes here: routes[0] takes them all',
    ])
    expect(complaints('  - { path: /x, methods: [GET], origin: a }\n  - { path: /x, origin: b }')).toEqual([])
  })
})
