import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import type { HttpsAnswer } from '../../../../src/dns/records/dns-message.ts'
import { parseServiceRecord, readServiceRecords } from '../../../../src/dns/records/https-rr.ts'
import { alpn, ipv4, mandatory, port, serviceRdata, type WireParam } from '../../../support/dns-wire.ts'

const parse = (rdata: Uint8Array) => parseServiceRecord(rdata, 'www.example.com', 300)
const parseParams = (...params: WireParam[]) => parse(serviceRdata(1, '.', params))
const ipv6 = (hex: string): WireParam => [6, Buffer.from(hex, 'hex')]
const noDefaultAlpn: WireParam = [2, Buffer.alloc(0)]

const record = {
  priority: 1,
  target: 'www.example.com',
  alpn: ['http/1.1'],
  port: undefined,
  addressHints: [],
  ttlSeconds: 300,
}

describe('parseServiceRecord reads', () => {
  it('a record with everything that is made use of', () => {
    const rdata = serviceRdata(16, 'Svc.Example.NET', [
      mandatory(1, 3),
      alpn('h3', 'h2'),
      port(8443),
      ipv4('192.0.2.1', '198.51.100.7'),
      ipv6('20010db8000000000000000000000001'),
    ])
    expect(parse(rdata)).toEqual({
      kind: 'service',
      record: {
        priority: 16,
        target: 'svc.example.net',
        alpn: ['h3', 'h2', 'http/1.1'],
        port: 8443,
        addressHints: ['192.0.2.1', '198.51.100.7', '2001:db8::1'],
        ttlSeconds: 300,
      },
    })
  })

  // Test vectors of RFC 9460 appendix D.
  it.each([
    ['D.1: an alias', '000003666f6f076578616d706c6503636f6d00', { kind: 'alias', target: 'foo.example.com' }],
    ['D.2: the root', '000100', { kind: 'service', record }],
    [
      'D.2: a port',
      '001003666f6f076578616d706c6503636f6d00000300020035',
      { kind: 'service', record: { ...record, priority: 16, target: 'foo.example.com', port: 53 } },
    ],
    [
      'D.2: a key that nobody knows',
      '000103666f6f076578616d706c6503636f6d00029b000568656c6c6f',
      { kind: 'service', record: { ...record, target: 'foo.example.com' } },
    ],
    [
      'D.2: two hints',
      '000103666f6f076578616d706c6503636f6d0000060020' +
        '20010db8000000000000000000000001' +
        '20010db8000000000000000000530001',
      {
        kind: 'service',
        record: {
          ...record,
          target: 'foo.example.com',
          addressHints: ['2001:db8::1', '2001:db8::53:1'],
        },
      },
    ],
    [
      'D.2: mandatory, alpn and ipv4hint',
      '001003666f6f076578616d706c65036f726700' +
        '0000000400010004' +
        '00010009026832056' +
        '8332d3139' +
        '00040004c0000201',
      {
        kind: 'service',
        record: {
          ...record,
          priority: 16,
          target: 'foo.example.org',
          alpn: ['h2', 'h3-19', 'http/1.1'],
          addressHints: ['192.0.2.1'],
        },
      },
    ],
    [
      'D.2: separators in a protocol name',
      '001003666f6f076578616d706c65036f7267000001000c08665c6f6f2c626172026832',
      {
        kind: 'service',
        record: {
          ...record,
          priority: 16,
          target: 'foo.example.org',
          alpn: ['f\\oo,bar', 'h2', 'http/1.1'],
        },
      },
    ],
  ])('%s', (_name, hex, expected) => {
    expect(parse(Buffer.from(hex, 'hex'))).toEqual(expected)
  })

  it('the root as the owner in ServiceMode, and as "no such service" in AliasMode', () => {
    expect(parse(serviceRdata(1, '.'))).toEqual({ kind: 'service', record })
    expect(parse(serviceRdata(0, '.'))).toEqual({ kind: 'alias', target: '.' })
  })

  it('nothing of the parameters of an alias, malformed ones included', () => {
    const bytes = Buffer.concat([serviceRdata(0, 'a.example'), Buffer.from('ffff', 'hex')])
    expect(parse(bytes)).toEqual({ kind: 'alias', target: 'a.example' })
  })

  it('http/1.1 only where it is not excluded, and once', () => {
    const alpnOf = (...params: WireParam[]) => {
      const parsed = parseParams(...params)
      return parsed.kind === 'service' ? parsed.record.alpn : parsed
    }
    expect(alpnOf()).toEqual(['http/1.1'])
    expect(alpnOf(alpn('http/1.1', 'h2'))).toEqual(['http/1.1', 'h2'])
    expect(alpnOf(alpn('h2'), noDefaultAlpn)).toEqual(['h2'])
  })

  it('times to live within bounds', () => {
    const ttlOf = (seconds: number) => {
      const parsed = parseServiceRecord(serviceRdata(1, '.'), 'a', seconds)
      return parsed.kind === 'service' ? parsed.record.ttlSeconds : undefined
    }
    expect([ttlOf(0), ttlOf(60), ttlOf(604_800)]).toEqual([1, 60, 86_400])
  })
})

describe('parseServiceRecord finds malformed', () => {
  it.each<[string, Uint8Array, string]>([
    ['nothing', Buffer.alloc(0), 'too short'],
    ['no target', Buffer.from('0001', 'hex'), 'too short'],
    ['a target without end', Buffer.from('00010161', 'hex'), 'ends within its target'],
    ['a label beyond the end', Buffer.from('00010561', 'hex'), 'ends within its target'],
    ['a compressed target', Buffer.from('0001c00c00', 'hex'), 'compressed'],
    [
      'a name of 256 bytes',
      serviceRdata(1, `${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(62)),
      'longer than 255',
    ],
    [
      'half a head',
      Buffer.concat([serviceRdata(1, '.'), Buffer.from('000100', 'hex')]),
      'the head of a parameter',
    ],
    [
      'half a value',
      Buffer.concat([serviceRdata(1, '.'), Buffer.from('0003000400', 'hex')]),
      'the value of port',
    ],
    ['keys out of order', serviceRdata(1, '.', [port(1), alpn('h2')]), 'alpn stands behind port'],
    ['a key twice', serviceRdata(1, '.', [port(1), port(1)]), 'port stands behind port'],
    ['an empty alpn', serviceRdata(1, '.', [[1, Buffer.alloc(0)]]), 'alpn: it names no protocol'],
    ['an empty name in alpn', serviceRdata(1, '.', [[1, Buffer.from([0])]]), 'alpn: an empty'],
    ['half a name in alpn', serviceRdata(1, '.', [[1, Buffer.from([3, 0x68])]]), 'alpn: it ends within'],
    [
      'a value of no-default-alpn',
      serviceRdata(1, '.', [alpn('h2'), [2, Buffer.from([1])]]),
      'it has a value',
    ],
    ['no-default-alpn alone', serviceRdata(1, '.', [noDefaultAlpn]), 'no-default-alpn without alpn'],
    ['a short port', serviceRdata(1, '.', [[3, Buffer.from([1])]]), 'port: no port in 1 bytes'],
    ['a long port', serviceRdata(1, '.', [[3, Buffer.alloc(3, 1)]]), 'port: no port in 3 bytes'],
    ['an empty ipv4hint', serviceRdata(1, '.', [[4, Buffer.alloc(0)]]), 'ipv4hint: no list'],
    ['a crooked ipv4hint', serviceRdata(1, '.', [[4, Buffer.alloc(6)]]), 'ipv4hint: no list'],
    ['a crooked ech', serviceRdata(1, '.', [[5, Buffer.from([0, 3, 1, 1])]]), 'ech: no list'],
    ['an empty ipv6hint', serviceRdata(1, '.', [[6, Buffer.alloc(0)]]), 'ipv6hint: no list'],
    ['a crooked ipv6hint', serviceRdata(1, '.', [[6, Buffer.alloc(18)]]), 'ipv6hint: no list'],
    ['an empty mandatory', serviceRdata(1, '.', [[0, Buffer.alloc(0)]]), 'mandatory: no list'],
    ['half a key in mandatory', serviceRdata(1, '.', [[0, Buffer.alloc(3, 1)]]), 'mandatory: no list'],
    ['mandatory in mandatory', serviceRdata(1, '.', [mandatory(0)]), 'it names itself'],
    [
      'mandatory keys out of order',
      serviceRdata(1, '.', [mandatory(3, 1), alpn('h2'), port(1)]),
      'not in order',
    ],
    [
      'a mandatory key that is missing',
      serviceRdata(1, '.', [mandatory(1, 3), alpn('h2')]),
      'port is missing',
    ],
  ])('%s', (_name, rdata, because) => {
    const parsed = parse(rdata)
    expect(parsed.kind).toBe('malformed')
    expect(parsed).toHaveProperty('because', expect.stringContaining(because))
  })

  it('no fault in the longest name that there is', () => {
    const name = `${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(61)}`
    const parsed = parse(serviceRdata(1, name))
    expect(parsed.kind === 'service' && parsed.record.target).toBe(name)
  })
})

describe('parseServiceRecord finds incompatible', () => {
  it.each<[string, Uint8Array, string]>([
    [
      'a mandatory key that nobody knows',
      serviceRdata(1, '.', [mandatory(667), [667, Buffer.from('x')]]),
      'it demands key667',
    ],
    ['mandatory ech', serviceRdata(1, '.', [mandatory(5), [5, Buffer.from([0, 2, 1, 1])]]), 'it demands ech'],
    ['port 0', serviceRdata(1, '.', [port(0)]), 'its port is 0'],
    ['a target with a dot in a label', Buffer.from('000103612e6200', 'hex'), 'no name of a host'],
    ['an alias to a name with a space', serviceRdata(0, 'a b.example'), 'no name of a host'],
  ])('%s', (_name, rdata, because) => {
    expect(parse(rdata)).toEqual({ kind: 'incompatible', because: expect.stringContaining(because) })
  })

  it('no fault in ech that is not mandatory', () => {
    expect(parseParams([5, Buffer.from([0, 2, 1, 1])])).toEqual({ kind: 'service', record })
  })
})

describe('readServiceRecords', () => {
  const answer = (rdata: Uint8Array, ttlSeconds = 300): HttpsAnswer => ({
    type: 'HTTPS',
    name: 'www.example.com',
    ttlSeconds,
    rdata,
  })

  it('sorts by priority and reports what it skipped', () => {
    const set = readServiceRecords(
      [
        answer(serviceRdata(3, 'c.example')),
        answer(serviceRdata(1, 'a.example'), 60),
        answer(serviceRdata(2, 'x.example', [mandatory(9), [9, Buffer.alloc(0)]])),
        answer(serviceRdata(2, 'b.example')),
      ],
      () => 0,
    )
    expect(set.kind === 'services' && set.records.map(({ target }) => target)).toEqual([
      'a.example',
      'b.example',
      'c.example',
    ])
    expect(set).toMatchObject({ ttlSeconds: 60, skipped: ['it demands key9'] })
  })

  it('shuffles what has the same priority, and nothing else', () => {
    const random = seededRandom(7)
    const answers = ['a', 'b', 'c'].map(name => answer(serviceRdata(1, name)))
    const firsts = new Map<string, number>()
    for (let run = 0; run < 900; run++) {
      const set = readServiceRecords([answer(serviceRdata(2, 'last')), ...answers], random)
      const targets = set.kind === 'services' ? set.records.map(({ target }) => target) : []
      expect(targets).toHaveLength(4)
      expect(targets[3]).toBe('last')
      const first = targets[0] ?? ''
      firsts.set(first, (firsts.get(first) ?? 0) + 1)
    }
    expect([...firsts.keys()].sort()).toEqual(['a', 'b', 'c'])
    for (const count of firsts.values()) expect(count).toBeGreaterThan(230)
  })

  it('lets an alias win over ServiceMode, and picks one of several', () => {
    const answers = [
      answer(serviceRdata(1, '.')),
      answer(serviceRdata(0, 'a.example')),
      answer(serviceRdata(0, 'b.example')),
    ]
    const picked = new Set<string>()
    const random = seededRandom(3)
    for (let run = 0; run < 50; run++) {
      const set = readServiceRecords(answers, random)
      picked.add(set.kind === 'alias' ? set.target : set.kind)
    }
    expect([...picked].sort()).toEqual(['a.example', 'b.example'])
  })

  it('rejects all when one is malformed, whatever the others are', () => {
    const bad = answer(serviceRdata(1, '.', [[3, Buffer.from([1])]]))
    for (const good of [answer(serviceRdata(0, 'a.example')), answer(serviceRdata(1, '.'))]) {
      expect(readServiceRecords([good, bad], () => 0).kind).toBe('malformed')
      expect(readServiceRecords([bad, good], () => 0).kind).toBe('malformed')
    }
  })

  it('says why none is usable', () => {
    const set = readServiceRecords([answer(serviceRdata(1, '.', [port(0)]))], () => 0)
    expect(set).toEqual({ kind: 'incompatible', because: 'its port is 0', ttlSeconds: 300 })
  })
})
