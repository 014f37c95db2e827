import { describe, expect, it } from 'vitest'
import { HintedOrigins } from '../../../../src/origin/hints/hinted-origins.ts'

const ORIGINS = { 'https://shop.internal:8443': {}, 'https://static.internal': {}, 'http://old.internal': {} }

describe('the origins that a hint may mean', () => {
  const origins = new HintedOrigins({
    origins: ORIGINS,
    publicHosts: {
      'Static.Example': 'https://static.internal',
      '*.shop.example': 'https://shop.internal:8443',
      '*.example': 'http://old.internal',
    },
  })

  it.each([
    ['https://static.internal', 'https://static.internal'],
    ['HTTPS://Static.Internal:443/x?y', 'https://static.internal'],
    ['//static.internal', 'https://static.internal'],
    ['https://user:secret@static.internal', 'https://static.internal'],
    ['https://static.example:8080', 'https://static.internal'],
    ['http://static.example', 'https://static.internal'],
    ['https://a.b.shop.example', 'https://shop.internal:8443'],
    ['https://other.example', 'http://old.internal'],
  ])('are found for %s', (target, key) => {
    expect(origins.find(target, 'https')?.key).toBe(key)
  })

  it.each([
    '/static.internal',
    'static.internal',
    '',
    'ftp://static.internal',
    'https://',
    'https://[',
    '//[',
  ])('are none for %j', target => expect(origins.find(target, 'https')).toBeUndefined())

  it('are those that are configured, with scheme and port', () => {
    expect(origins.find('https://elsewhere.test', 'https')).toBeUndefined()
    expect(origins.find('http://static.internal', 'https')).toBeUndefined()
    expect(origins.find('https://static.internal:8443', 'https')).toBeUndefined()
    expect(origins.find('//old.internal', 'http')?.key).toBe('http://old.internal')
    expect(origins.find('https://example', 'https')).toBeUndefined()
  })

  it('are several where a response can name another one', () => {
    expect(origins.hasSeveral).toBe(true)
    expect(new HintedOrigins({ origins: { 'https://a': {} } }).hasSeveral).toBe(false)
    expect(new HintedOrigins({}).hasSeveral).toBe(false)
  })

  it.each(['', '*', 'https://a.example', 'a.example:443', '*a.example'])(
    'may not have %j as a public host',
    host => {
      expect(() => new HintedOrigins({ publicHosts: { [host]: 'https://a' } })).toThrow(/publicHosts/)
    },
  )
})
