import { describe, expect, it } from 'vitest'
import { type AdminAccess, accessRefusal } from '../../../../src/service/admin/admin-access.ts'

const NOTHING = { authorization: undefined, certificateNames: undefined }
const OPEN: AdminAccess = { tokens: {}, certificates: undefined }
const TOKENS: AdminAccess = {
  tokens: { read: 'a-token-that-reads', change: 'a-token-that-changes' },
  certificates: undefined,
}

function status(
  access: AdminAccess,
  method: string,
  given: Partial<typeof NOTHING> | object,
  path = '/pools',
) {
  return accessRefusal(access, method, path, { ...NOTHING, ...given })?.status
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('access to the admin server', () => {
  it('is open to everybody who reaches it where no credentials are configured', () => {
    expect(status(OPEN, 'POST', {})).toBeUndefined()
  })

  it('is open with a token, within its role', () => {
    expect(status(TOKENS, 'GET', {})).toBe(401)
    expect(status(TOKENS, 'GET', bearer('another-token'))).toBe(401)
    expect(status(TOKENS, 'GET', { authorization: 'Basic a-token-that-reads' })).toBe(401)
    expect(status(TOKENS, 'GET', bearer('a-token-that-reads'))).toBeUndefined()
    expect(status(TOKENS, 'HEAD', bearer('a-token-that-reads'))).toBeUndefined()
    expect(status(TOKENS, 'POST', bearer('a-token-that-reads'))).toBe(403)
    expect(status(TOKENS, 'POST', bearer('a-token-that-changes'))).toBeUndefined()
    expect(status(TOKENS, 'GET', { authorization: 'bearer  a-token-that-changes' })).toBeUndefined()
  })

  it('is closed to a part of a token, and to an empty one', () => {
    for (const token of ['a-token-that-read', 'a-token-that-readss', '', ' '])
      expect(status(TOKENS, 'GET', bearer(token))).toBe(401)
    expect(status({ ...TOKENS, tokens: { change: TOKENS.tokens.change } }, 'GET', bearer('undefined'))).toBe(
      401,
    )
  })

  it('is open with a certificate of the authority, within the names that may change things', () => {
    const all: AdminAccess = { tokens: {}, certificates: { clientCa: 'PEM', changers: undefined } }
    const some: AdminAccess = { tokens: {}, certificates: { clientCa: 'PEM', changers: ['ops.example'] } }
    const shows = (...certificateNames: string[]) => ({ certificateNames })
    expect(status(all, 'POST', {})).toBe(401)
    expect(status(all, 'POST', shows('anybody'))).toBeUndefined()
    expect(status(some, 'GET', shows('scraper.example'))).toBeUndefined()
    expect(status(some, 'POST', shows('scraper.example'))).toBe(403)
    expect(status(some, 'POST', shows('x', 'ops.example'))).toBeUndefined()
    expect(
      status({ ...some, tokens: TOKENS.tokens }, 'POST', {
        ...shows('x'),
        ...bearer('a-token-that-changes'),
      }),
    ).toBeUndefined()
  })

  it('needs no credentials for health and readiness', () => {
    expect(status(TOKENS, 'GET', {}, '/healthz')).toBeUndefined()
    expect(status(TOKENS, 'GET', {}, '/readyz')).toBeUndefined()
    expect(status(TOKENS, 'GET', {}, '/metrics')).toBe(401)
  })
})
