import { isIPv6 } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  addressBytes,
  ipv6Text,
  readSocketAddress,
  SOCKADDR_IN_BYTES,
  SOCKADDR_IN6_BYTES,
  writeSocketAddress,
} from '../../../../src/base/socket/socket-address.ts'
import { fc } from '../../../support/property.ts'

/** There and back through the bytes of a socket of that family. */
function through(host: string, family: 4 | 6, port = 443): unknown {
  const bytes = Buffer.alloc(SOCKADDR_IN6_BYTES, 0xff)
  const address = addressBytes(host)
  if (address === undefined) return 'no address'
  const length = writeSocketAddress(bytes, 0, family, address, port)
  return length === 0 ? 'of another family' : { length, ...readSocketAddress(bytes, 0) }
}

describe('a socket address', () => {
  it('is written for sockets of its family, and IPv4 for IPv6 sockets as a mapped address', () => {
    const [host, port] = ['192.0.2.1', 443]
    expect(through(host, 4)).toEqual({ length: SOCKADDR_IN_BYTES, host, port })
    expect(through(host, 6)).toEqual({ length: SOCKADDR_IN6_BYTES, host: '::ffff:192.0.2.1', port })
    expect(through('2001:db8::1', 6)).toEqual({ length: SOCKADDR_IN6_BYTES, host: '2001:db8::1', port })
    expect(through('2001:db8::1', 4)).toBe('of another family')
  })

  it.each([
    'example.com',
    '1.2.3',
    '1.2.3.256',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'fe80::1%eth0',
    '::g',
    '1:2:3:4:5:6:7::8',
    '',
    '1.2.3.4::',
  ])('is invalid: %s', text => {
    expect(addressBytes(text)).toBeUndefined()
  })

  it.each([
    ['::', '00'.repeat(16)],
    ['::1', `${'00'.repeat(15)}01`],
    ['1:0:0:2::3', '00010000000000020000000000000003'],
    ['1:0:2::', '00010000000200000000000000000000'],
    ['1:0:2:3:4:5:6:7', '00010000000200030004000500060007'],
    ['::ffff:1.2.3.4', `${'00'.repeat(10)}ffff01020304`],
  ])('is written as %s, as RFC 5952 has it', (text, hex) => {
    expect(ipv6Text(Buffer.from(hex, 'hex'), 0)).toBe(text)
    expect(addressBytes(text)?.toString('hex')).toBe(hex)
  })

  it('is unchanged after it was written and read, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), bytes => {
        const text = ipv6Text(Buffer.from(bytes), 0)
        expect(isIPv6(text)).toBe(true)
        expect(addressBytes(text)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('of a link has its zone, and one of another family is invalid', () => {
    const bytes = Buffer.alloc(SOCKADDR_IN6_BYTES)
    writeSocketAddress(bytes, 0, 6, addressBytes('fe80::1') ?? Buffer.alloc(0), 7)
    bytes.writeUInt32LE(3, 24)
    expect(readSocketAddress(bytes, 0)).toEqual({ host: 'fe80::1%3', port: 7 })
    bytes.writeUInt16LE(1, 0)
    expect(readSocketAddress(bytes, 0)).toBeUndefined()
  })
})
