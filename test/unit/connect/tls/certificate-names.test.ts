import { describe, expect, it } from 'vitest'
import { certificateNames } from '../../../../src/connect/tls/certificate-names.ts'
import { fc } from '../../../support/property.ts'

describe('the names of a certificate', () => {
  it('are its host names and addresses, in lower case and as URLs spell them', () => {
    const text = 'DNS:A.example, DNS:*.b.example., IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1'
    expect(certificateNames(text)).toEqual(['a.example', '*.b.example', '192.0.2.1', '2001:db8::1'])
  })

  it('are none of what is neither', () => {
    const text = 'URI:https://a.example/, email:a@b.example, DNS:a b, DNS:192.0.2.1, IP Address:x, DNS:'
    expect(certificateNames(text)).toEqual([])
    expect(certificateNames(undefined)).toEqual([])
  })

  it('are not what a quoted value has in it', () => {
    expect(certificateNames('DNS:"a.example, DNS:evil.example", DNS:c.example')).toEqual(['c.example'])
    expect(certificateNames('URI:"x\\", DNS:evil.example", DNS:c.example')).toEqual(['c.example'])
  })

  it('may have wildcards in place of the left-most label only', () => {
    expect(certificateNames('DNS:*.a.example, DNS:a.*.example, DNS:x*.a.example, DNS:*')).toEqual([
      '*.a.example',
    ])
  })

  it('stand once, and are bounded', () => {
    const text = Array.from({ length: 600 }, (_, index) => `DNS:${index >> 1}.example`).join(', ')
    const names = certificateNames(text)
    expect(names).toHaveLength(256)
    expect(new Set(names).size).toBe(256)
  })

  it('come of any text, without a throw', () => {
    const piece = fc.constantFrom('DNS:', 'IP Address:', ', ', '"', '\\', 'a.example', '::1', ':', '*.')
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }), pieces => {
        for (const name of certificateNames(pieces.join(''))) expect(name).toMatch(/^[a-z0-9.:*_-]+$/)
      }),
    )
  })
})
