import { describe, expect, it } from 'vitest'
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from '../../../src/ingress/proxy-header.ts'
import { fc } from '../../support/property.ts'

const line = (text: string): Buffer => Buffer.from(text, 'latin1')
const because = (bytes: Buffer): string => {
  const verdict = readProxyHeader(bytes)
  return verdict.kind === 'refused' ? verdict.because : verdict.kind
}

interface BinaryParts {
  command?: number
  version?: number
  family?: number
  /** Addresses, ports, and what follows them. */
  block?: Buffer
  length?: number
}

/** A header of version 2. */
function binary(parts: BinaryParts = {}): Buffer {
  const { command = 1, version = 2, family = 1, block = Buffer.alloc(0) } = parts
  const { length = block.length } = parts
  const fixed = Buffer.concat([line('\r\n\r\n\0\r\nQUIT\n'), Buffer.alloc(4)])
  fixed.writeUInt8((version << 4) | command, 12)
  fixed.writeUInt8((family << 4) | 1, 13)
  fixed.writeUInt16BE(length, 14)
  return Buffer.concat([fixed, block])
}

const IPV4 = Buffer.from('c0000207c633640104d201bb', 'hex')
const ipv6 = (source: string): Buffer =>
  Buffer.from(`${source}20010db800000000000000000000000204d201bb`, 'hex')

describe('version 1 of the PROXY protocol', () => {
  it.each([
    ['PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n', { address: '192.0.2.7', port: 1234 }],
    ['PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n', { address: '2001:db8::1', port: 65_535 }],
    ['PROXY UNKNOWN\r\n', undefined],
    ['PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n', undefined],
  ])('reads %j and leaves the bytes behind it', (text, client) => {
    expect(readProxyHeader(line(`${text}GET / HTTP/1.1\r\n`))).toEqual({
      kind: 'header',
      length: text.length,
      client,
    })
  })

  it.each([
    'PROXY TCP4 192.0.2.7 198.51.100.1 1234\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 1234 443 more\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n',
    'PROXY TCP4 192.0.2.07 198.51.100.1 1 443\r\n',
    'PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n',
    'PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n',
    'PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n',
    'PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n',
    'PROXY \r\n',
    `PROXY UNKNOWN ${'x'.repeat(100)}`,
    'proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n',
    'GET / HTTP/1.1\r\n',
    '\x16\x03\x01',
  ])('refuses %j', text => {
    expect(because(line(text))).toMatch(/^PROXY protocol: /)
  })
})

describe('version 2 of the PROXY protocol', () => {
  it.each([
    ['an IPv4 client', { block: IPV4 }, { address: '192.0.2.7', port: 1234 }],
    [
      'an IPv6 client',
      { family: 2, block: ipv6('20010db8000000000000000000000001') },
      { address: '2001:db8::1', port: 1234 },
    ],
    [
      'an IPv4 client within IPv6',
      { family: 2, block: ipv6('00000000000000000000ffffc0000207') },
      { address: '192.0.2.7', port: 1234 },
    ],
    [
      'type-length-values, which are not read',
      { block: Buffer.concat([IPV4, line('\x04\0\x01x')]) },
      { address: '192.0.2.7', port: 1234 },
    ],
    ['the proxy itself (LOCAL)', { command: 0, family: 0 }, undefined],
    ['LOCAL with addresses, which do not count', { command: 0, block: IPV4 }, undefined],
    ['a client on a Unix socket', { family: 3, block: Buffer.alloc(216) }, undefined],
    ['a client of an unspecified family', { family: 0 }, undefined],
  ])('reads %s', (_what, parts, client) => {
    const header = binary(parts)
    const verdict = readProxyHeader(Buffer.concat([header, line('GET')]))
    expect(verdict).toEqual({ kind: 'header', length: header.length, client })
  })

  it.each([
    ['another version', { version: 3, block: IPV4 }, 'version 3 is not known'],
    ['another command', { command: 2, block: IPV4 }, 'command 2 is not known'],
    ['another family', { family: 4, block: IPV4 }, 'address family 4 is not known'],
    ['addresses that are cut off', { block: IPV4.subarray(0, 11) }, 'the addresses are cut off'],
    ['addresses of IPv6 that are cut off', { family: 2, block: IPV4 }, 'the addresses are cut off'],
    [
      'too long a header, before it came',
      { length: MAX_PROXY_HEADER_BYTES },
      'the header is longer than 4096 bytes',
    ],
  ])('refuses %s', (_what, parts, reason) => {
    expect(because(binary(parts))).toBe(`PROXY protocol: ${reason}`)
  })
})

describe('any bytes of the PROXY protocol', () => {
  const headers = fc.constantFrom(
    line('PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n'),
    line('PROXY UNKNOWN\r\n'),
    binary({ block: IPV4 }),
    binary({ family: 2, block: ipv6('20010db8000000000000000000000001') }),
  )
  const mutated = fc
    .tuple(headers, fc.nat(60), fc.nat(255), fc.uint8Array({ maxLength: 40 }))
    .map(([header, at, byte, rest]) => {
      const bytes = Buffer.concat([header, rest])
      bytes[at % bytes.length] = byte
      return bytes
    })

  it('are judged the same however they come, and a verdict stays', () => {
    fc.assert(
      fc.property(mutated, bytes => {
        let decided: unknown
        for (let end = 0; end <= bytes.length; end++) {
          const verdict = readProxyHeader(bytes.subarray(0, end))
          if (decided !== undefined) expect(verdict).toEqual(decided)
          else if (verdict.kind !== 'undecided') decided = verdict
        }
        if (decided !== undefined) expect(readProxyHeader(bytes)).toEqual(decided)
      }),
    )
  })

  it('are judged within the bound', () => {
    fc.assert(
      fc.property(mutated, bytes => {
        const filled = Buffer.concat([bytes, Buffer.alloc(MAX_PROXY_HEADER_BYTES, 0x20)])
        expect(readProxyHeader(filled.subarray(0, MAX_PROXY_HEADER_BYTES)).kind).not.toBe('undecided')
      }),
    )
  })
})
