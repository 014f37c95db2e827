import { describe, expect, it } from 'vitest'
import { CertificateIndex } from '../../../../src/ingress/tls/certificate-index.ts'

const index = new CertificateIndex([
  { names: ['shop.example', '*.shop.example'], keyType: 'ec' },
  { names: ['*.example.com'], keyType: 'rsa' },
  { names: ['api.example.com'], keyType: 'rsa' },
  { names: ['shop.example'], keyType: 'rsa' },
  { names: ['shop.example'], keyType: 'ec' },
])

describe('the index of certificates finds for a server name', () => {
  it.each([
    ['the certificates with the very name, the first of each kind of key', 'shop.example', [0, 3]],
    ['whatever its case', 'ShOp.ExAmPlE', [0, 3]],
    ['a wildcard for one label', 'a.shop.example', [0]],
    ['the very name before a wildcard', 'api.example.com', [2]],
    ['the wildcard for its neighbors', 'www.example.com', [1]],
    ['no wildcard for two labels', 'a.b.example.com', undefined],
    ['no wildcard for what the wildcard stands before', 'example.com', undefined],
    ['nobody', 'other.example', undefined],
    ['nobody for no label at all', '.example.com', undefined],
  ])('%s', (_what, name, expected) => {
    expect(index.find(name)).toEqual(expected)
  })
})

describe('the index of certificates shows a client without a name', () => {
  it('the first certificate, with those of other kinds for its first name', () => {
    expect(index.first).toEqual([0, 3])
  })

  it('the first alone, where it has no name', () => {
    expect(new CertificateIndex([{ names: [], keyType: 'rsa' }]).first).toEqual([0])
  })
})

it('every answer of the index of certificates is one of its combinations', () => {
  const keys = index.combinations().map(one => one.join())
  expect(keys.sort()).toEqual(['0', '0,3', '1', '2'])
})
