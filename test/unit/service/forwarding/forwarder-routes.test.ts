import { describe, expect, it } from 'vitest'
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

  it('keeps its path where that is asked for, or where it leads along one route however it is read', () => {
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
