import { describe, expect, it } from 'vitest'
import { headerValue } from '../../../../src/entry/dispatch.ts'
import { setUpForwarder } from '../forwarder-world.ts'

const ORIGINS = { a: { url: 'http://a' }, b: { url: 'http://b' } }
const ROUTES = [{ origin: 'a' }, { path: '/admin', origin: 'b' }]

describe('a request', () => {
  it('goes on with the path by which its route was found', () => {
    const { send, dispatches } = setUpForwarder({
      origins: ORIGINS,
      routes: ROUTES,
    })
    send({ path: '/x/../%61dmin/y?z=/../1' })
    expect(dispatches[0]?.request.path).toBe('/admin/y?z=/../1')
    expect(dispatches[0]?.origin.key).toBe('http://b')
  })

  it.each(['/..', '/admin%2fy', '//admin', '/x/..;/admin', '/%00'])(
    'is refused with the path %s, which may lead to another route',
    path => {
      const { send, dispatches, answers } = setUpForwarder({ origins: ORIGINS, routes: ROUTES })
      const client = send({ path })
      expect(dispatches).toEqual([])
      expect(answers).toMatchObject([{ status: 400 }])
      expect(client.log.join()).toContain('MM_PATH_REFUSED')
    },
  )

  it('keeps its path where that is configured, or where it leads along one route however it is read', () => {
    const raw = setUpForwarder({ origins: ORIGINS, routes: ROUTES, forwarding: { normalizePaths: false } })
    raw.send({ path: '/x/../admin%2f' })
    const lenient = setUpForwarder({
      origins: ORIGINS,
      routes: ROUTES,
      forwarding: { ambiguousPaths: 'pass' },
    })
    lenient.send({ path: '//admin' })
    const usual = setUpForwarder({ origins: ORIGINS, routes: ROUTES })
    usual.send({ path: '/@scope%2Fname' })
    const all = [raw, lenient, usual].flatMap(({ dispatches }) => dispatches)
    expect(all.map(({ request, origin }) => [request.path, origin.key])).toEqual([
      ['/x/../admin%2f', 'http://a'],
      ['//admin', 'http://a'],
      ['/@scope%2Fname', 'http://a'],
    ])
  })
})

describe('a route that rewrites', () => {
  const routed = (route: object, request: Parameters<ReturnType<typeof setUpForwarder>['send']>[0]) => {
    const world = setUpForwarder({ origins: ORIGINS, routes: [{ ...route, origin: 'a', name: 'one' }] })
    const client = world.send(request)
    return { ...world, client, sent: world.dispatches[0]?.request }
  }

  it.each([
    [{ path: '/api', rewrite: { path: '/v2' } }, '/api/x?y', '/v2/x?y'],
    [{ path: '/api', rewrite: { path: '/v2/' } }, '/api/x', '/v2/x'],
    [{ path: '/api', rewrite: { path: '/' } }, '/api', '/'],
    [{ path: '/api', rewrite: { path: '/' } }, '/api/x', '/x'],
    [{ path: '/', rewrite: { path: '/sub' } }, '/x', '/sub/x'],
    [
      { pathPattern: '/u/{id}/{rest...}', rewrite: { path: '/${capture.rest}/of/${capture.id}' } },
      '/u/7/a/b',
      '/a/b/of/7',
    ],
    [{ pathPattern: '/{a...}', rewrite: { path: '/x?a=${capture.a}' } }, '/b?c=d', '/x?a=b'],
    [
      { pathPattern: '/{a...}', rewrite: { path: '/${query.name}' } },
      '/?name=a%2Fb%3F+c',
      '/a%2Fb%3F%20c?name=a%2Fb%3F+c',
    ],
    [{ path: '/', rewrite: { path: '/x' } }, '*', '*'],
  ])('%j makes of %s the path %s', (route, path, expected) => {
    expect(routed(route, { path }).sent?.path).toBe(expected)
  })

  it.each([
    [{ pathPattern: '/{a}', rewrite: { path: '/x/${query.q}/admin' } }, '/a?q=..'],
    [{ pathPattern: '/{a...}', rewrite: { path: '/${capture.a}' } }, '/'.repeat(3) + 'a'.repeat(9_000)],
    [{ pathPattern: '/{a}', rewrite: { host: '${capture.a}.internal' } }, '/a%0Db'],
    [{ pathPattern: '/{a}', rewrite: { host: '${query.q}' } }, '/a'],
  ])('%j refuses %s', (route, path) => {
    const { dispatches, answers } = routed(route, { path })
    expect(dispatches).toEqual([])
    expect(answers).toEqual([{ status: 400, route: 'one', code: 'MM_PATH_REFUSED' }])
  })

  it('gives the origin another host', () => {
    const rewrite = { host: '${capture.tenant}.internal:81' }
    expect(routed({ pathPattern: '/{tenant}', rewrite }, { path: '/blue' }).sent?.authority).toBe(
      'blue.internal:81',
    )
  })

  it('removes, sets and adds fields, with variables, and leaves out what is empty', () => {
    const { sent, dispatches, client } = routed(
      {
        pathPattern: '/{id}',
        requestFields: {
          remove: ['x-old'],
          set: {
            'x-a': '$client:$clientPort ${header.x-old}',
            'x-tls': '$tlsVersion$tlsName',
            'x-id': '$requestId',
          },
          add: {
            'x-b': '${capture.id} $method $path?$query ${query.q} $$',
            'x-c': '$origin $route $protocol $host',
          },
        },
        responseFields: { remove: ['server'], set: { 'x-route': '$route' } },
      },
      {
        path: '/7?q=1',
        authority: 'Shop.example:80',
        headers: ['x-old', 'old', 'x-a', 'a', 'x-b', 'b', 'x-tls', 'forged'],
        remoteAddress: '::ffff:192.0.2.7',
      },
    )
    const fields = sent?.headers ?? []
    const own = fields.flatMap((name, at) =>
      at % 2 === 0 && /^x-(?:[a-c]|tls|old|id)$/.test(name) ? [`${name}: ${fields[at + 1]}`] : [],
    )
    expect(own).toEqual([
      'x-b: b',
      'x-a: 192.0.2.7:50000 old',
      'x-id: made',
      'x-b: 7 GET /7?q=1 1 $',
      'x-c: a one HTTP/1.1 shop.example',
    ])
    const [dispatch] = dispatches
    dispatch?.handler.onResponseStart(dispatch, 200, ['server', 'x', 'etag', '1'], '')
    expect(client.responseHeaders).toEqual(['etag', '1', 'via', '1.1 middlemile (id)', 'x-route', 'one'])
  })

  it('says what TLS the client speaks', () => {
    const requestFields = { set: { 'x-tls': '$tlsVersion $tlsName' } }
    const tls = { version: 'TLSv1.3', serverName: 'shop.example' }
    const { sent } = routed({ requestFields }, { tls })
    expect(headerValue(sent?.headers ?? [], 'x-tls')).toBe('TLSv1.3 shop.example')
  })
})

describe('a route that answers', () => {
  const answered = (route: object, request: Parameters<ReturnType<typeof setUpForwarder>['send']>[0]) => {
    const world = setUpForwarder({ origins: ORIGINS, routes: [{ ...route, name: 'one' }] })
    const client = world.send(request)
    expect(world.dispatches).toEqual([])
    return { ...world, client }
  }

  it.each([
    [{ location: 'https://$host$target', status: 308 }, '/a?b', 'https://shop.example/a?b'],
    [{ location: '/new$path', keepQuery: true }, '/a?b', '/new/a?b'],
    [{ location: '/new?x=1#top', keepQuery: true }, '/a?b', '/new?x=1&b#top'],
    [{ location: '/new$path' }, '/a?b', '/new/a'],
    [{ location: '$path' }, '//evil.example/a', '/evil.example/a'],
    [{ location: '/to?${query.u}' }, '/?u=//e%0d%0aX:1', '/to?%2F%2Fe%0D%0AX:1'],
  ])('redirects: %j makes of %s %s', (redirect, path, location) => {
    const { client, answers } = answered({ redirect }, { path })
    expect(headerValue(client.responseHeaders, 'location')).toBe(location)
    const status = 'status' in redirect ? redirect.status : 302
    expect(client.log).toEqual([`start ${status}`, 'end'])
    expect(answers).toEqual([{ status, route: 'one', code: undefined }])
  })

  it('refuses to redirect to what is too long', () => {
    const { answers } = answered({ redirect: { location: '/x$path' } }, { path: `/${'a'.repeat(9_000)}` })
    expect(answers).toEqual([{ status: 400, route: 'one', code: 'MM_PATH_REFUSED' }])
  })

  it('responds with status, fields and body', () => {
    const respond = { status: 403, headers: { 'x-m': '$method', 'x-e': '${header.none}' }, body: 'no' }
    const responseFields = { set: { 'x-r': '$route' } }
    const { client } = answered({ respond, responseFields }, {})
    expect(client.responseHeaders).toEqual([
      'x-m',
      'GET',
      'content-type',
      'text/plain; charset=utf-8',
      'content-length',
      '2',
      'date',
      'now',
      'x-r',
      'one',
    ])
    expect(client.log).toEqual(['start 403', 'data no', 'end'])
    expect(answered({ respond }, { method: 'HEAD' }).client.log).toEqual(['start 403', 'end'])
    const empty = answered({ respond: { status: 204 } }, {}).client
    expect(empty.responseHeaders).toEqual(['date', 'now'])
    const typed = answered({ respond: { headers: { 'content-type': 'text/html' }, body: '<p>' } }, {}).client
    expect(typed.responseHeaders.slice(0, 2)).toEqual(['content-type', 'text/html'])
  })
})
