import { describe, expect, it } from 'vitest'
import { whereTo } from '../../../../src/bench/clients/client-settings.ts'

describe('the destination of connections to an origin', () => {
  it('is looked up where none is set', () => {
    expect(whereTo('https://a.example', { resolve: { 'a.example:8443': '192.0.2.1' } })).toBeUndefined()
  })

  it.each([
    ['https://a.example', { resolve: { 'a.example:443': '192.0.2.1' } }, '192.0.2.1', '443'],
    ['http://a.example', { resolve: { 'a.example:80': '[2001:db8::1]' } }, '2001:db8::1', '80'],
    ['https://a.example:8443', { resolve: { 'a.example:8443': '192.0.2.1' } }, '192.0.2.1', '8443'],
    ['https://a.example', { endpoint: '127.0.0.1:99' }, '127.0.0.1', '99'],
    ['https://a.example', { endpoint: '[::1]:99' }, '::1', '99'],
  ])('of %s with %o is %s port %s', (origin, setting, host, port) => {
    expect(whereTo(origin, setting)).toEqual({ host, port })
  })
})
