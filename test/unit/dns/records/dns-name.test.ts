import { describe, expect, it } from 'vitest'
import {
  isDnsName,
  neverAskedBecause,
  normalName,
  serviceQueryName,
} from '../../../../src/dns/records/dns-name.ts'

describe('normalName', () => {
  it('lowers ASCII letters and takes the dot from the end', () => {
    expect(normalName('WWW.Example.COM.')).toBe('www.example.com')
    expect(normalName('.')).toBe('.')
    // The Kelvin sign is a k in lower case, but not in the DNS.
    expect(normalName('\u212a.example')).toBe('\u212a.example')
  })
})

describe('isDnsName', () => {
  it('holds labels and names to their bounds', () => {
    const label = 'a'.repeat(63)
    expect(isDnsName(`${label}.${label}.${label}.${'b'.repeat(61)}`)).toBe(true)
    expect(isDnsName(`${label}.${label}.${label}.${'b'.repeat(62)}`)).toBe(false)
    expect(isDnsName(`${label}a.example`)).toBe(false)
  })

  it.each(['', '.', 'a..b', '.a', 'a b', 'ü.example', 'a\0b'])('refuses %j', name => {
    expect(isDnsName(name)).toBe(false)
  })

  it('accepts names that no host has, too', () => {
    expect(isDnsName('_8443._https.a-b.example')).toBe(true)
  })
})

describe('neverAskedBecause', () => {
  it.each([
    ['127.0.0.1', 'is an address'],
    ['::1', 'is an address'],
    ['localhost', 'RFC 6761'],
    ['a.localhost', 'RFC 6761'],
    ['printer.local', 'RFC 6762'],
    ['x.invalid', 'RFC 6761'],
    ['abc.onion', 'RFC 7686'],
    ['x.alt', 'RFC 9476'],
    ['a..b', 'no name'],
  ])('gives a reason for %s', (name, because) => {
    expect(neverAskedBecause(name)).toContain(because)
  })

  it.each(['example.com', 'a.test', 'local.example', 'intranet', 'notlocalhost'])(
    'gives none for %s',
    name => {
      expect(neverAskedBecause(name)).toBeUndefined()
    },
  )
})

describe('serviceQueryName', () => {
  it('puts every port but 443 in front (RFC 9460 9.1)', () => {
    expect(serviceQueryName('Example.com.', 443)).toBe('example.com')
    expect(serviceQueryName('example.com', 8443)).toBe('_8443._https.example.com')
    expect(serviceQueryName('example.com', 80)).toBe('_80._https.example.com')
  })
})
