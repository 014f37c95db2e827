import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { drawAddress, isPrefix, parseLocalRange } from '../../../../src/base/options/local-range.ts'
import { addressBytes } from '../../../../src/base/socket/socket-address.ts'

describe('a local address or prefix', () => {
  it.each([
    ['192.0.2.7', { family: 4, address: '192.0.2.7', prefixBits: 32, name: '192.0.2.7' }],
    ['127.0.0.0/8', { family: 4, address: '127.0.0.0', prefixBits: 8, name: '127.0.0.0/8' }],
    ['2001:DB8::/64', { family: 6, address: '2001:db8::', prefixBits: 64, name: '2001:db8::/64' }],
    ['::1/128', { family: 6, address: '::1', prefixBits: 128, name: '::1' }],
  ])('%s is read', (text, expected) => {
    expect(parseLocalRange(text)).toEqual(expected)
  })

  it.each([
    ['eth0', 'must be an IP address'],
    ['', 'must be an IP address'],
    ['fe80::1%eth0', 'must be an IP address'],
    ['192.0.2.7/33', 'prefix length from 8 to 32'],
    ['0.0.0.0/0', 'prefix length from 8 to 32'],
    ['2001:db8::1/64', 'has bits behind its prefix: say 2001:db8::/64'],
    ['0.0.0.0', 'that a connection can leave from'],
    ['224.0.0.1', 'that a connection can leave from'],
    ['::', 'that a connection can leave from'],
    ['ff02::1', 'that a connection can leave from'],
    ['::ffff:192.0.2.7', 'must be written as IPv4'],
  ])('%s is refused', (text, because) => {
    expect(() => parseLocalRange(text)).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT', message: expect.stringContaining(because) }),
    )
  })

  it('refuses or reads whatever text there is, and reads its own names again', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(140)).map(([host, bits]) => `${host}/${bits}`),
        ),
        text => {
          let name: string
          try {
            ;({ name } = parseLocalRange(text))
          } catch (error) {
            expect(error).toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
            return
          }
          expect(parseLocalRange(name).name).toBe(name)
        },
      ),
    )
  })
})

describe('an address that is drawn', () => {
  it('is the address itself where there is one', () => {
    expect(drawAddress(parseLocalRange('192.0.2.7'), Math.random)).toBe('192.0.2.7')
  })

  it('stays within its prefix, and is neither its first nor its last address', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('2001:db8::/64', '2001:db8::/125', '10.0.0.0/8', '192.0.2.0/29'),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 130 }),
        (name, bits) => {
          const range = parseLocalRange(name)
          let at = 0
          const address = drawAddress(range, () => (bits[at++ % bits.length] ? 0 : 0.9))
          expect(isPrefix(range)).toBe(true)
          expect(isIP(address)).toBe(range.family)
          const whole = (text: string): bigint => BigInt(`0x${addressBytes(text)?.toString('hex')}`)
          const size = 1n << BigInt((range.family === 4 ? 32 : 128) - range.prefixBits)
          const offset = whole(address) - whole(range.address)
          expect(offset > 0n && offset < size - 1n).toBe(true)
        },
      ),
    )
  })

  it('is either one of two', () => {
    const range = parseLocalRange('192.0.2.8/31')
    expect([drawAddress(range, () => 0.9), drawAddress(range, () => 0)]).toEqual(['192.0.2.8', '192.0.2.9'])
  })
})
