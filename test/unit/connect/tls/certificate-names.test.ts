import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { certificateNames, coversName } from '../../../../src/connect/tls/certificate-names.ts'
import { fc } from '../../../support/property.ts'

describe('the names of a certificate', () => {
  it('are its host names and addresses, in lower case and as URLs spell them', () => {
    const text = 'DNS:A.example, DNS:*.b.example., IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1'
    expect(certificateNames(text)).toEqual(['a.example', '*.b.example', '192.0.2.1', '2001:db8::1'])
  })

  it('do not include what is neither a host name nor an address', () => {
    const text = 'URI:https://a.example/, email:a@b.example, DNS:a b, DNS:192.0.2.1, IP Address:x, DNS:'
    expect(certificateNames(text)).toEqual([])
    expect(certificateNames(undefined)).toEqual([])
  })

  it('do not include what stands within a quoted value', () => {
    expect(certificateNames('DNS:"a.example, DNS:evil.example", DNS:c.example')).toEqual(['c.example'])
    expect(certificateNames('URI:"x\\", DNS:evil.example", DNS:c.example')).toEqual(['c.example'])
  })

  it('may have wildcards in place of the left-most label only', () => {
    expect(certificateNames('DNS:*.a.example, DNS:a.*.example, DNS:x*.a.example, DNS:*')).toEqual([
      '*.a.example',
    ])
  })

  it('are listed once each, and bounded', () => {
    const text = Array.from({ length: 600 }, (_, index) => `DNS:${index >> 1}.example`).join(', ')
    const names = certificateNames(text)
    expect(names).toHaveLength(256)
    expect(new Set(names).size).toBe(256)
  })

  it('are read from any text without a throw', () => {
    const piece = fc.constantFrom('DNS:', 'IP Address:', ', ', '"', '\\', 'a.example', '::1', ':', '*.')
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }), pieces => {
        for (const name of certificateNames(pieces.join(''))) expect(name).toMatch(/^[a-z0-9.:*_-]+$/)
      }),
    )
  })
})

describe('a name of a certificate', () => {
  it.each([
    ['a.example', 'a.example', true],
    ['A.Example', 'a.example', true],
    ['a.example', 'a.example.', true],
    ['a.example.', 'a.example', true],
    ['a.example', 'b.example', false],
    ['a.example', 'x.a.example', false],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', true],
  ])('like %s covers %s as it stands, whatever the case or a dot at the end: %s', (name, host, covers) => {
    expect(coversName([name], host)).toBe(covers)
  })

  it.each([
    ['*.a.example', 'x.a.example', true],
    ['*.a.example', 'xn--bcher-kva.a.example', true],
    ['*.a.example', 'a.example', false],
    ['*.a.example', 'x.y.a.example', false],
    ['*.a.example', '.a.example', false],
    ['x*.a.example', 'xy.a.example', false],
    ['*y.a.example', 'xy.a.example', false],
    ['x.*.example', 'x.a.example', false],
    ['*.*.example', 'x.a.example', false],
    ['*.example', 'a.example', false],
    ['*', 'example', false],
  ])('like %s covers %s by a whole left-most label only: %s', (name, host, covers) => {
    expect(coversName([name], host)).toBe(covers)
  })

  it('covers an address as itself only', () => {
    expect(coversName(['192.0.2.1'], '192.0.2.1')).toBe(true)
    expect(coversName(['2001:db8::1'], '2001:db8::1')).toBe(true)
    expect(coversName(['*.0.2.1', '192.0.2.2'], '192.0.2.1')).toBe(false)
  })

  it('is needed to cover anything', () => {
    expect(coversName([], 'a.example')).toBe(false)
  })

  const label = fc.constantFrom('a', 'b', 'A', 'xn--a', 'a-b', '1')
  const host = fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => labels.join('.').toLowerCase())
  const wildcard = fc.tuple(fc.constantFrom('*.', '', ''), fc.array(label, { minLength: 1, maxLength: 4 }))
  const name = wildcard.map(([prefix, labels]) => prefix + labels.join('.'))

  it('covers what node:tls finds covered, and nothing else, but for wildcards within a label', () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), host, (names, wanted) => {
        const subjectaltname = names.map(each => `DNS:${each}`).join(', ')
        const certificate = { subject: {}, subjectaltname } as unknown as PeerCertificate // all that is read of it
        expect(coversName(names, wanted)).toBe(checkServerIdentity(wanted, certificate) === undefined)
      }),
      { numRuns: 2_000 },
    )
  })
})
