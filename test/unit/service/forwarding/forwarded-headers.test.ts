import { describe, expect, it } from 'vitest'
import {
  type ForwardableRequest,
  type RequestHeaderPolicy,
  RequestHeaders,
} from '../../../../src/service/forwarding/forwarded-headers.ts'
import { OwnName } from '../../../../src/service/forwarding/own-response.ts'

const NAME = new OwnName('middlemile', 'a1b2c3d4')
const VIA = '1.1 middlemile (a1b2c3d4)'

function policy(changes: Partial<RequestHeaderPolicy> = {}): RequestHeaderPolicy {
  return { name: NAME, forwarded: 'both', trustForwarded: false, by: undefined, ...changes }
}

function request(headers: string[] = [], changes: Partial<ForwardableRequest> = {}): ForwardableRequest {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'shop.example',
    httpVersion: '1.1',
    remoteAddress: '192.0.2.1',
    clientCertificate: undefined,
    headers,
    ...changes,
  }
}

function rewrite(
  headers: string[],
  changes: Partial<RequestHeaderPolicy> = {},
  of: Partial<ForwardableRequest> = {},
) {
  return new RequestHeaders(policy(changes)).rewrite(request(headers, of))
}

describe('the fields of a forwarded request', () => {
  it('are the client’s, then Via, Forwarded and X-Forwarded-*', () => {
    expect(rewrite(['accept', '*/*', 'x-custom', '1', 'early-data', '1'])).toEqual([
      'accept',
      '*/*',
      'x-custom',
      '1',
      'early-data',
      '1',
      'via',
      VIA,
      'forwarded',
      'for=192.0.2.1;host=shop.example;proto=http',
      'x-forwarded-for',
      '192.0.2.1',
      'x-forwarded-proto',
      'http',
      'x-forwarded-host',
      'shop.example',
    ])
  })

  it.each([
    ['rfc7239', ['via', 'forwarded']],
    ['x-forwarded', ['via', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']],
    ['off', ['via']],
  ] as const)('describe the client as configured: %s', (forwarded, names) => {
    const headers = rewrite([], { forwarded })
    expect(Array.isArray(headers) && headers.filter((_, index) => index % 2 === 0)).toEqual(names)
  })

  it('contain the certificate that the client proved to have, and none that it only names', () => {
    const certificate = (headers: string[], of: Partial<ForwardableRequest> = {}, trustForwarded = false) => {
      const fields = rewrite(headers, { forwarded: 'off', trustForwarded }, of)
      return Array.isArray(fields) ? fields.filter((_, index, all) => all[index & ~1] !== 'via') : fields
    }
    const proven = { clientCertificate: Buffer.from('der') }
    const forged = ['client-cert', ':eA==:', 'client-cert-chain', ':eQ==:']
    expect(certificate([], proven)).toEqual(['client-cert', ':ZGVy:'])
    expect(certificate(forged)).toEqual([])
    expect(certificate(forged, proven)).toEqual(['client-cert', ':ZGVy:'])
    // A proxy in front has verified it.
    expect(certificate(forged, {}, true)).toEqual(forged)
    expect(certificate(forged, proven, true)).toEqual(['client-cert', ':ZGVy:'])
  })

  it('contain no certificate of the client before', () => {
    const headers = new RequestHeaders(policy({ forwarded: 'off' }))
    const fields = ['accept', '*/*']
    const names = (clientCertificate?: Buffer) => {
      const rewritten = headers.rewrite({ ...request(), headers: fields, clientCertificate })
      return Array.isArray(rewritten) && rewritten.filter((_, index) => index % 2 === 0)
    }
    expect(names(Buffer.from('der'))).toEqual(['accept', 'via', 'client-cert'])
    expect(names()).toEqual(['accept', 'via'])
  })

  it('quote a value that is no token', () => {
    const headers = rewrite(
      [],
      { forwarded: 'rfc7239', by: '_edge1' },
      {
        remoteAddress: '2001:db8::1',
        authority: 'shop.example:8080',
        scheme: 'https',
      },
    )
    expect(headers).toEqual([
      'via',
      VIA,
      'forwarded',
      'for="[2001:db8::1]";by=_edge1;host="shop.example:8080";proto=https',
    ])
  })

  it('show an IPv4 client of a dual-stack socket as IPv4', () => {
    expect(rewrite([], { forwarded: 'x-forwarded' }, { remoteAddress: '::ffff:192.0.2.9' })).toContain(
      '192.0.2.9',
    )
  })

  it('leave out a host that the client did not send', () => {
    const headers = rewrite([], {}, { authority: '', httpVersion: '1.0' })
    expect(headers).toEqual([
      'via',
      '1.0 middlemile (a1b2c3d4)',
      'forwarded',
      'for=192.0.2.1;proto=http',
      'x-forwarded-for',
      '192.0.2.1',
      'x-forwarded-proto',
      'http',
    ])
  })

  it('follow each request, though the last result is remembered', () => {
    const rewriter = new RequestHeaders(policy({ forwarded: 'x-forwarded' }))
    const changes: [Partial<ForwardableRequest>, string][] = [
      [{ remoteAddress: '192.0.2.2' }, '192.0.2.2'],
      [{ authority: 'b.example' }, 'b.example'],
      [{ scheme: 'https' }, 'https'],
      [{ httpVersion: '1.0' }, '1.0 middlemile (a1b2c3d4)'],
    ]
    for (const [change, expected] of changes) {
      expect(rewriter.rewrite(request())).toEqual(rewrite([], { forwarded: 'x-forwarded' }))
      expect(rewriter.rewrite(request([], change))).toContain(expected)
    }
  })

  it('are the same list when the same list comes again from the same client, and only then', () => {
    const rewriter = new RequestHeaders(policy())
    const headers = ['accept', '*/*']
    const first = rewriter.rewrite(request(headers))
    expect(rewriter.rewrite(request(headers))).toBe(first)
    expect(rewriter.rewrite(request([...headers]))).toEqual(first)
    expect(rewriter.rewrite(request(headers, { remoteAddress: '192.0.2.9' }))).toContain('192.0.2.9')
    expect(rewriter.rewrite(request(headers))).toEqual(first)
    expect(rewriter.rewrite(request(headers, { authority: 'b.example' }))).toContain('b.example')
  })

  it('do not change the list that they came in', () => {
    const headers = Object.freeze(['via', '1.0 a', 'accept', '*/*']) as string[] // frozen, to be noticed
    expect(() => rewrite(headers)).not.toThrow()
  })
})

describe('the fields of a client about earlier hops', () => {
  const SPOOFED = [
    'forwarded',
    'for=10.0.0.1',
    'x-forwarded-for',
    '10.0.0.1',
    'x-forwarded-proto',
    'https',
    'x-forwarded-host',
    'evil.example',
    'x-forwarded-port',
    '443',
  ]

  it('are dropped unless they are trusted', () => {
    expect(rewrite(SPOOFED)).toEqual(rewrite([]))
    expect(rewrite(['x-forwarded-port', '443'])).toEqual(rewrite([]))
    expect(rewrite(SPOOFED, { forwarded: 'off' })).toEqual(['via', VIA])
  })

  it('are extended when they are trusted, and the first hop’s scheme and host are kept', () => {
    expect(rewrite(SPOOFED, { trustForwarded: true })).toEqual([
      'x-forwarded-port',
      '443',
      'via',
      VIA,
      'forwarded',
      'for=10.0.0.1;host=evil.example;proto=https, for=192.0.2.1;host=shop.example;proto=http',
      'x-forwarded-for',
      '10.0.0.1, 192.0.2.1',
      'x-forwarded-proto',
      'https',
      'x-forwarded-host',
      'evil.example',
    ])
  })

  it('pass unchanged when they are trusted and we write none', () => {
    expect(rewrite(SPOOFED, { trustForwarded: true, forwarded: 'off' })).toEqual([...SPOOFED, 'via', VIA])
  })

  it.each([
    [
      [
        'x-forwarded-for',
        '10.0.0.1, 2001:db8::1',
        'x-forwarded-proto',
        'https',
        'x-forwarded-host',
        'a.example:8443',
      ],
    ],
    [['forwarded', 'for=10.0.0.1;proto=https;host="a.example:8443", for="[2001:db8::1]"']],
    [
      [
        'forwarded',
        'for=10.0.0.1;proto=https;host="a.example:8443"',
        'forwarded',
        'For="[2001:db8::1]";by=_x',
      ],
    ],
  ])('are the same in both families, whichever came: %j', before => {
    const headers = rewrite(before, { trustForwarded: true })
    expect(headers.slice(2)).toEqual([
      'forwarded',
      'for=10.0.0.1;host="a.example:8443";proto=https, for="[2001:db8::1]", for=192.0.2.1;host=shop.example;proto=http',
      'x-forwarded-for',
      '10.0.0.1, 2001:db8::1, 192.0.2.1',
      'x-forwarded-proto',
      'https',
      'x-forwarded-host',
      'a.example:8443',
    ])
  })

  it('are those of a proxy in front that knows X-Forwarded-For alone, and not those of its client', () => {
    const before = ['forwarded', 'for=6.6.6.6', 'x-forwarded-for', '198.51.100.7']
    const headers = rewrite(before, { trustForwarded: true })
    expect(String(headers)).not.toContain('6.6.6.6')
    expect(headers).toContain('198.51.100.7, 192.0.2.1')
  })

  it.each([
    ['192.0.2.1', ['192.0.2.0/24'], true],
    ['::ffff:192.0.2.1', ['192.0.2.1'], true],
    ['192.0.3.1', ['192.0.2.0/24', '10.0.0.0/8'], false],
    ['2001:db8::7', ['2001:db8::/32'], true],
    ['2001:db9::7', ['2001:db8::/32'], false],
  ])('are trusted from %s where %j is trusted: %s', (remoteAddress, trustForwarded, isBelieved) => {
    const headers = rewrite(['x-forwarded-for', '203.0.113.9'], { trustForwarded }, { remoteAddress })
    expect(String(headers).includes('203.0.113.9')).toBe(isBelieved)
  })

  it('are read as far as they are valid', () => {
    for (const value of ['', ';;,', 'for', 'for="', '"', 'for=a\\"b', ',for=_x;for=_y', '='.repeat(500)])
      expect(rewrite(['forwarded', value], { trustForwarded: true })).toContain('x-forwarded-for')
  })

  it('are joined from several lines', () => {
    const headers = rewrite(['x-forwarded-for', 'a', 'x-forwarded-for', 'b'], {
      trustForwarded: true,
      forwarded: 'x-forwarded',
    })
    expect(headers).toContain('a, b, 192.0.2.1')
  })
})

describe('the Via field', () => {
  it('is extended', () => {
    expect(rewrite(['via', '1.0 fred', 'via', '1.1 p.example'], { forwarded: 'off' })).toEqual([
      'via',
      `1.0 fred, 1.1 p.example, ${VIA}`,
    ])
  })

  it('with our own entry is a loop', () => {
    expect(rewrite(['via', `1.1 a, ${VIA}, 1.1 b`])).toBe('loop')
  })

  it('with another instance of the same name is a chain', () => {
    expect(rewrite(['via', '1.1 middlemile (ffffffff)'], { forwarded: 'off' })).toEqual([
      'via',
      `1.1 middlemile (ffffffff), ${VIA}`,
    ])
  })
})

describe('the Max-Forwards field', () => {
  it.each(['OPTIONS', 'TRACE'])('counts down for %s', method => {
    expect(rewrite(['max-forwards', '5'], { forwarded: 'off' }, { method })).toEqual([
      'max-forwards',
      '4',
      'via',
      VIA,
    ])
    expect(rewrite(['max-forwards', '1'], { forwarded: 'off' }, { method })).toEqual([
      'max-forwards',
      '0',
      'via',
      VIA,
    ])
    expect(rewrite(['max-forwards', '0'], { forwarded: 'off' }, { method })).toBe('last-hop')
  })

  it('is ignored for other methods, and when it is no number', () => {
    expect(rewrite(['max-forwards', '0'], { forwarded: 'off' })).toEqual(['max-forwards', '0', 'via', VIA])
    expect(rewrite(['max-forwards', '-1'], { forwarded: 'off' }, { method: 'TRACE' })).toEqual([
      'max-forwards',
      '-1',
      'via',
      VIA,
    ])
  })
})
