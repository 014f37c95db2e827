import { BlockList } from 'node:net'
import { describe, expect, it } from 'vitest'
import { specialUse } from '../../src/dns/special-use.ts'
import { fc } from '../support/property.ts'

/**
 * The special-purpose registries of IANA (iana-ipv4-special-registry, iana-ipv6-special-registry) as of 2025,
 * by whether they are reachable from everywhere, with multicast and what was withdrawn (RFC 3879, RFC 7526).
 */
const NOT_GLOBAL = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
::1/128 ::/128 ::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:2::/48 2001:db8::/32
2001:10::/28 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`.split(/\s+/)
const GLOBAL =
  `192.0.0.9/32 192.0.0.10/32 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24 64:ff9b::/96 2001::/32
2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:3::/32 2001:4:112::/48 2001:20::/28 2001:30::/28 2002::/16
2620:4f:8000::/48`.split(/\s+/)

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/')
    list.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}

const notGlobal = listOf(NOT_GLOBAL)
const global = listOf(GLOBAL)
const assigned = listOf(['2000::/3', '64:ff9b::/96'])

const isSpecial4 = (address: string): boolean =>
  notGlobal.check(address, 'ipv4') && !global.check(address, 'ipv4')

/** Of an address that carries none of IPv4. */
const isSpecial6 = (address: string): boolean =>
  (notGlobal.check(address, 'ipv6') && !global.check(address, 'ipv6')) || !assigned.check(address, 'ipv6')

const quad = (number: number): string =>
  [24, 16, 8, 0].map(shift => String((number >>> shift) & 0xff)).join('.')
const groups = (number: number): string => `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`

/** Anywhere, or near the border of a block: its first and last addresses, and those beside them. */
const ipv4 = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc
    .tuple(
      fc.constantFrom(...[...NOT_GLOBAL, ...GLOBAL].filter(one => !one.includes(':'))),
      fc.integer({ min: -2, max: 2 }),
      fc.boolean(),
    )
    .map(([network, offset, isEnd]) => {
      const [address = '', prefix = ''] = network.split('/')
      const first = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
      return (first + (isEnd ? 2 ** (32 - Number(prefix)) - 1 : 0) + offset + 2 ** 32) % 2 ** 32
    }),
)

const hextets = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
const ipv6 = fc.oneof(
  hextets,
  fc
    .tuple(fc.constantFrom(...[...NOT_GLOBAL, ...GLOBAL].filter(one => one.includes(':'))), hextets)
    .map(([network, rest]) => {
      const [address = ''] = network.split('/')
      const head = address.replace(/::.*$/, '').split(':').filter(Boolean)
      return [...head.map(one => Number.parseInt(one, 16)), ...rest].slice(0, 8)
    }),
)
const textOf = (numbers: readonly number[]): string => numbers.map(one => one.toString(16)).join(':')
const canonical = (text: string): string => new URL(`http://[${text}]`).hostname.slice(1, -1)

describe('specialUse', () => {
  it('agrees with the registry of IPv4', () => {
    fc.assert(
      fc.property(ipv4, number => {
        const address = quad(number)
        expect([address, specialUse(address) !== undefined]).toEqual([address, isSpecial4(address)])
      }),
      { numRuns: 3_000 },
    )
  })

  it('agrees with the registry of IPv6, and refuses what nobody has been given', () => {
    const carries = listOf(['64:ff9b::/96', '2001::/32', '2002::/16', '::ffff:0:0/96', '::/96'])
    fc.assert(
      fc.property(ipv6, numbers => {
        const address = canonical(textOf(numbers))
        fc.pre(!carries.check(address, 'ipv6'))
        expect([address, specialUse(address) !== undefined]).toEqual([address, isSpecial6(address)])
      }),
      { numRuns: 3_000 },
    )
  })

  it('sees an address of IPv4 through every form that carries it', () => {
    fc.assert(
      fc.property(ipv4, number => {
        const isSpecial = isSpecial4(quad(number))
        for (const address of [
          `64:ff9b::${quad(number)}`,
          `2002:${groups(number)}::1`,
          `2001:0:${groups(number)}:0:0:f7f7:f7f7`, // the client is 8.8.8.8
          `2001:0:808:808:0:0:${groups(~number >>> 0)}`,
        ])
          expect([address, specialUse(address) !== undefined]).toEqual([address, isSpecial])
        // These are refused whatever they carry.
        for (const address of [`::ffff:${quad(number)}`, `::ffff:${groups(number)}`, `::${quad(number)}`])
          expect([address, specialUse(address)]).not.toEqual([address, undefined])
      }),
      { numRuns: 1_000 },
    )
  })

  it('reads an address alike in every spelling of IPv6', () => {
    fc.assert(
      fc.property(ipv6, numbers => {
        const text = textOf(numbers)
        expect(specialUse(text.toUpperCase())).toBe(specialUse(canonical(text)))
      }),
    )
  })
})
