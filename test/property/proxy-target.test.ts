import { isIP } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Http1RequestHead } from '../../src/http/http1/codec/message-events.ts'
import { RequestDecoder } from '../../src/http/http1/codec/request-decoder.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../src/ingress/ingress-limits.ts'
import { parseAllowEntry } from '../../src/service/forward-proxy/allow-list.ts'
import { readProxyTarget } from '../../src/service/forward-proxy/proxy-target.ts'
import { fc } from '../support/property.ts'

/** What hosts are made of, and what people who look for a hole put there. */
const odd = fc
  .array(
    fc.constantFrom(
      ...'0123456789abcdefxX.:[]@%/\\?#-_ \t'.split(''),
      '127',
      '0x7f',
      '0177',
      '::',
      '::1',
      'ffff',
      'localhost',
      '.com',
      ':80',
      'http://',
      '%00',
      '%2e',
      'é',
    ),
    { maxLength: 14 },
  )
  .map(parts => parts.join(''))

/** A request as its listener reads it; undefined: refused there. */
function read(line: string, host: string): Http1RequestHead | undefined {
  let head: Http1RequestHead | undefined
  const limits = {
    ...DEFAULT_INGRESS_LIMITS,
    maxTrailerBytes: 16_384,
    maxChunkLineBytes: 1_024,
    maxChunkExtensionBytes: 16_384,
  }
  const decoder = new RequestDecoder(limits, {
    onHead: value => {
      head = value
    },
    onData: () => {},
    onEnd: () => {},
  })
  const bytes = Buffer.from(`${line} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  try {
    decoder.receive(bytes, 0, bytes.length)
  } catch {
    return undefined
  }
  return head
}

describe('the target of a request to a forward proxy', () => {
  it('is refused, or names the very host that was written', () => {
    fc.assert(
      fc.property(odd, fc.constantFrom('http', 'https'), fc.boolean(), (authority, scheme, isTunnel) => {
        const line = isTunnel ? `CONNECT ${authority}` : `GET ${scheme}://${authority}/x`
        const head = read(line, authority)
        if (head === undefined) return
        const target = readProxyTarget({
          method: head.method,
          targetScheme: head.scheme,
          authority: head.authority,
        })
        if (typeof target === 'string') return
        const { host, port, ipFamily } = target.origin
        const shown = ipFamily === 6 ? `[${host}]` : host
        const defaultPort = target.kind === 'http' ? 80 : 443
        const written = head.authority.toLowerCase()
        expect([shown, `${shown}:${port}`]).toContain(written.replace(/:0+(?=\d)/, ':'))
        if (!written.startsWith('[') && !written.includes(':')) expect(port).toBe(defaultPort)
        // What looks like an address to anybody is one here, in one spelling.
        expect(isIP(host)).toBe(ipFamily)
        if (/^(?:0x)?\d[\d.]*$/.test(host)) expect(isIP(host)).toBe(4)
      }),
      { numRuns: 20_000 },
    )
  })

  it('is what an entry of the list is for, where the list takes its host', () => {
    fc.assert(
      fc.property(odd, text => {
        const entry = parseAllowEntry(text)
        if (typeof entry === 'string' || entry.host.includes('*')) return
        const authority = entry.host.includes(':') ? `[${entry.host}]` : entry.host
        const target = readProxyTarget({ method: 'GET', targetScheme: 'http', authority })
        expect([text, target]).toMatchObject([text, { origin: { host: entry.host } }])
      }),
      { numRuns: 20_000 },
    )
  })
})
