import { describe, expect, it } from 'vitest'
import { type AskedBy, foreignBecause } from '../../../../src/service/admin/admin-server.ts'

const PLAIN: AskedBy = {
  method: 'POST',
  path: '/drain',
  host: '127.0.0.1:9901',
  origin: undefined,
  site: undefined,
}
const foreign = (changes: Partial<AskedBy>, ownHost = '127.0.0.1'): string | undefined =>
  foreignBecause({ ...PLAIN, ...changes }, ownHost)

describe('a request to the admin server', () => {
  it.each<[string, Partial<AskedBy>]>([
    ['without anything of a browser', {}],
    ['of HTTP/1.0, without a host', { host: undefined }],
    ['by localhost', { host: 'LOCALHOST:9901' }],
    ['by IPv6', { host: '[::1]:9901' }],
    ['of a page of its own', { origin: 'http://127.0.0.1:9901', site: 'same-origin' }],
    ['of a page of its own, on the port that goes without saying', { host: '[::1]', origin: 'http://[::1]' }],
    ['that somebody typed', { method: 'GET', path: '/pools', site: 'none' }],
    ['for metrics, by any name', { method: 'GET', path: '/metrics', host: 'connector.monitoring:9901' }],
    ['for readiness, by any name', { method: 'HEAD', path: '/readyz', host: 'pod-7.internal' }],
    ['to read, from another site, which cannot see the answer', { method: 'GET', site: 'cross-site' }],
  ])('is accepted: %s', (_what, changes) => {
    expect(foreign(changes)).toBeUndefined()
  })

  it.each<[string, Partial<AskedBy>]>([
    ['that says so', { site: 'cross-site' }],
    ['of a sibling', { site: 'same-site' }],
    ['that a plain-http address is not reported by Fetch Metadata', { origin: 'http://evil.example' }],
    ['that hides its origin', { origin: 'null' }],
    ['on another port of this machine', { origin: 'http://127.0.0.1:3000' }],
    ['that hides its origin, and whom it asks', { origin: 'null', host: undefined }],
  ])('is refused with the POST of a page: %s', (_what, changes) => {
    expect(foreign(changes)).toBe('not from another site')
  })

  it.each<[string, Partial<AskedBy>]>([
    ['to change', { host: 'evil.example:9901', origin: 'http://evil.example:9901', site: 'same-origin' }],
    ['to read', { method: 'GET', path: '/pools', host: 'evil.example:9901' }],
    ['by a name that looks like an address', { host: '127.0.0.1.evil.example' }],
    ['by what is no host', { host: 'evil example' }],
  ])('is refused by a foreign name, which may have been rebound to us: %s', (_what, changes) => {
    expect(foreign(changes)).toMatch(/^ask by an IP address, as localhost, or by the name in admin\.address/)
  })

  it('is accepted by the name in admin.address', () => {
    const named = { host: 'Admin.example:9901', origin: 'http://admin.example:9901' }
    expect(foreign(named, 'admin.example')).toBeUndefined()
    expect(foreign(named, '')).toContain('not as "Admin.example:9901"')
  })
})
