import { describe, expect, it } from 'vitest'
import { normalizePath } from '../../../../src/service/routes/request-path.ts'
import { fc } from '../../../support/property.ts'

describe('normalizePath', () => {
  it.each([
    ['/', '/'],
    ['/a/b.c/d', '/a/b.c/d'],
    ['*', '*'],
    ['/%7euser/%41', '/~user/A'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/..', '/'],
    ['/a/b/.', '/a/b/'],
    ['/.hidden/..a', '/.hidden/..a'],
    ['/100%', '/100%'],
    ['/%zz', '/%zz'],
  ])('makes of %s the path %s, which is read in one way only', (path, expected) => {
    expect(normalizePath(path)).toEqual({ path: expected, loosePath: undefined })
  })

  it.each([
    ['/@scope%2fname', '/@scope%2Fname', '/@scope/name'],
    ['//a', '//a', '/a'],
    ['/a//b', '/a//b', '/a/b'],
    ['/a\\b', '/a\\b', '/a/b'],
    ['/a%5cb', '/a%5Cb', '/a/b'],
    ['/a;v=1/b', '/a;v=1/b', '/a/b'],
    ['/a%2f/b', '/a%2F/b', '/a/b'],
  ])('keeps %s, and names its other reading', (path, expected, loosePath) => {
    expect(normalizePath(path)).toEqual({ path: expected, loosePath })
  })

  it.each([
    ['/..', 'above its root'],
    ['/a/../../b', 'above its root'],
    ['/%2e%2e/', 'above its root'],
    ['/a%00', 'NUL'],
    ['/public%2f..%2fadmin', 'hidden dot segments'],
    ['/public/..%5cadmin', 'hidden dot segments'],
    ['/public/..;/admin', 'hidden dot segments'],
    ['/public/.;x=1/admin', 'hidden dot segments'],
    ['/public\\..\\admin', 'hidden dot segments'],
  ])('refuses %s', (path, fault) => {
    expect(normalizePath(path)).toContain(fault)
  })

  it('changes nothing of its own results, and leaves no dot segment in either reading', () => {
    const piece = fc.constantFrom('a', '.', '..', '/', '//', '%2e', '%2F', '%5c', '\\', ';', '%41', '%', '0')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const normal = normalizePath(`/${pieces.join('')}`)
        if (typeof normal === 'string') return
        expect(normalizePath(normal.path)).toEqual(normal)
        for (const path of [normal.path, normal.loosePath ?? '/'])
          expect(path.split('/').some(segment => segment === '.' || segment === '..')).toBe(false)
      }),
    )
  })
})
