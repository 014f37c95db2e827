import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { fixedAddresses, parseAddress } from '../../../src/dns/addresses.ts'

const NAMED = parseOrigin('https://origin.test')

describe('addresses that need no lookup', () => {
  it('do not exist for a name that nothing is configured for', () => {
    expect(fixedAddresses(NAMED, [], { 'other.test:443': '127.0.0.1' })).toBeUndefined()
  })

  it('are the host itself when it is an address', () => {
    expect(fixedAddresses(parseOrigin('http://127.0.0.1:8080'), [], {})).toEqual({
      addresses: [{ address: '127.0.0.1', family: 4 }],
      source: 'literal',
    })
    expect(fixedAddresses(parseOrigin('http://[::1]:8080'), [], {})).toEqual({
      addresses: [{ address: '::1', family: 6 }],
      source: 'literal',
    })
  })

  it('are what is fixed for host and port, whatever the case of the name', () => {
    const overrides = { 'Origin.Test:443': '[::1]:8443', 'origin.test:444': '127.0.0.2' }
    expect(fixedAddresses(NAMED, [], overrides)).toEqual({
      addresses: [{ address: '::1', family: 6, port: 8443 }],
      source: 'override',
    })
    const literal = parseOrigin('https://[::1]')
    expect(fixedAddresses(literal, [], { '[::1]:443': '127.0.0.1' })?.source).toBe('override')
  })

  it('are the configured endpoints before anything else', () => {
    const resolution = fixedAddresses(parseOrigin('https://127.0.0.1'), ['127.0.0.2:8443', '::1'], {
      '127.0.0.1:443': '127.0.0.3',
    })
    expect(resolution).toEqual({
      addresses: [
        { address: '127.0.0.2', family: 4, port: 8443 },
        { address: '::1', family: 6 },
      ],
      source: 'endpoints',
    })
  })
})

describe('an address in a configuration', () => {
  it.each([
    ['127.0.0.1', { address: '127.0.0.1', family: 4 }],
    ['127.0.0.1:80', { address: '127.0.0.1', family: 4, port: 80 }],
    ['::1', { address: '::1', family: 6 }],
    ['[::1]', { address: '::1', family: 6 }],
    ['[2001:DB8:0::1]:443', { address: '2001:db8::1', family: 6, port: 443 }],
  ])('%s is read', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected)
  })

  it.each([
    '',
    'origin.test',
    '127.1',
    '0x7f000001',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    ':80',
    '[::1',
    '[::g]',
    '127.0.0.1:',
    '127.0.0.1/8',
    '[127.0.0.1]:80',
  ])('%s is refused', text => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
  })
})
