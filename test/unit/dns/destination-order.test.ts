import { isIP } from 'node:net'
import { describe, expect, it } from 'vitest'
import { orderDestinations } from '../../../src/dns/destination-order.ts'

/** `destination < source`; without a source it has no route. */
function order(...pairs: readonly (readonly [string, string?])[]): string[] {
  const routed = pairs.map(([address, source]) => ({
    destination: { address, family: isIP(address) === 6 ? (6 as const) : (4 as const) },
    source,
  }))
  return orderDestinations(routed).map(({ address }) => address)
}

// The examples of RFC 6724 section 10.2, with one source each.
describe('orderDestinations', () => {
  it('prefers what has a route (rule 1)', () => {
    expect(order(['2001:db8:1::1'], ['198.51.100.121', '198.51.100.117'])).toEqual([
      '198.51.100.121',
      '2001:db8:1::1',
    ])
  })

  it('prefers a matching scope (rule 2)', () => {
    expect(order(['2001:db8:1::1', 'fe80::1'], ['198.51.100.121', '198.51.100.117'])).toEqual([
      '198.51.100.121',
      '2001:db8:1::1',
    ])
    expect(order(['198.51.100.121', '169.254.13.78'], ['2001:db8:1::1', '2001:db8:1::2'])).toEqual([
      '2001:db8:1::1',
      '198.51.100.121',
    ])
  })

  it('prefers a matching label (rule 5)', () => {
    expect(order(['2002:c633:6401::1', '2001:db8:1::2'], ['2001:db8:1::1', '2001:db8:1::2'])).toEqual([
      '2001:db8:1::1',
      '2002:c633:6401::1',
    ])
  })

  it('prefers higher precedence (rule 6): IPv6 before IPv4, and IPv4 before unique local addresses', () => {
    expect(order(['10.1.2.3', '10.1.2.4'], ['2001:db8:1::1', '2001:db8:1::2'])).toEqual([
      '2001:db8:1::1',
      '10.1.2.3',
    ])
    expect(order(['fd00::1', 'fd00::2'], ['10.1.2.3', '10.1.2.4'])).toEqual(['10.1.2.3', 'fd00::1'])
    expect(order(['127.0.0.1', '127.0.0.1'], ['::1', '::1'])).toEqual(['::1', '127.0.0.1'])
  })

  it('prefers the smaller scope (rule 8)', () => {
    expect(order(['2001:db8:1::1', '2001:db8:1::2'], ['fe80::1', 'fe80::2'])).toEqual([
      'fe80::1',
      '2001:db8:1::1',
    ])
  })

  it('prefers the longest common prefix of IPv6 (rule 9), up to 64 bits, and leaves IPv4 as it is (rule 10)', () => {
    expect(order(['2001:db8:3ffe::1', '2001:db8:1::2'], ['2001:db8:1::1', '2001:db8:1::2'])).toEqual([
      '2001:db8:1::1',
      '2001:db8:3ffe::1',
    ])
    expect(order(['2001:db8:1::9', '2001:db8:1::2'], ['2001:db8:1::3', '2001:db8:1::2'])).toEqual([
      '2001:db8:1::9',
      '2001:db8:1::3',
    ])
    expect(order(['192.0.2.200', '192.0.2.1'], ['192.0.2.2', '192.0.2.1'])).toEqual([
      '192.0.2.200',
      '192.0.2.2',
    ])
  })

  it('keeps the order of what has no route', () => {
    expect(order(['::ffff:192.0.2.1'], ['2001:db8::1'], ['2001:db8::2'])).toEqual([
      '::ffff:192.0.2.1',
      '2001:db8::1',
      '2001:db8::2',
    ])
  })
})
