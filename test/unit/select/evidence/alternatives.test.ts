import { describe, expect, it } from 'vitest'
import { alternativeKey } from '../../../../src/select/evidence/alternative-sets.ts'
import { Alternatives } from '../../../../src/select/evidence/alternatives.ts'

const OPTIONS = { host: 'a.example', port: 443, brokenBaseMs: 1000, brokenMaxMs: 60_000 }
const fresh = () => new Alternatives(OPTIONS)
const places = (alternatives: Alternatives, now = 0) => alternatives.usable(now).map(alternativeKey)
const service = (change: object = {}) => ({
  priority: 1,
  target: 'a.example',
  alpn: ['h3', 'h2'],
  port: undefined,
  addressHints: [],
  ttlSeconds: 300,
  ...change,
})

describe('Alternatives', () => {
  it('accepts what Alt-Svc offers, in its order, and only h3', () => {
    const alternatives = fresh()
    const value = 'h2="h2.example:443", h3=":8443"; ma=60; persist=1, h3-29=":443", h3="b.example:443"'
    expect(alternatives.onAltSvc(value, 'alt-svc', 10, 1000)).toBe(true)
    expect(alternatives.usable(1000)).toEqual([
      {
        protocol: 'h3',
        host: 'a.example',
        port: 8443,
        source: 'alt-svc',
        learnedAt: 1000,
        expiresAt: 51_000,
        persists: true,
        addressHints: [],
      },
      expect.objectContaining({
        host: 'b.example',
        port: 443,
        expiresAt: 1000 + 86_390_000,
        persists: false,
      }),
    ])
    const expiresAt = 1000 + 86_390_000
    expect(alternatives.unused(1000)).toEqual([
      { protocolId: 'h2', host: 'h2.example', port: 443, expiresAt },
      { protocolId: 'h3-29', host: 'a.example', port: 443, expiresAt },
    ])
    expect(alternatives.unused(expiresAt)).toEqual([])
  })

  it('forgets an alternative when it expires, also one that spent its time in a cache', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1"; ma=60, h3=":2"; ma=30', 'alt-svc', 20, 0)
    expect(places(alternatives, 9999)).toEqual(['a.example:1', 'a.example:2'])
    expect(places(alternatives, 10_000)).toEqual(['a.example:1'])
    expect(places(alternatives, 40_000)).toEqual([])
    alternatives.onAltSvc('h3=":1"; ma=60', 'alt-svc', 60, 50_000)
    expect(places(alternatives, 50_000)).toEqual([])
  })

  it('replaces the earlier value of Alt-Svc, whether in a field or in a frame', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1", h3=":2"', 'alt-svc', 0, 0)
    expect(alternatives.onAltSvc('h3=":2"', 'altsvc-frame', 0, 1)).toBe(true)
    expect(places(alternatives)).toEqual(['a.example:2'])
    expect(alternatives.onAltSvc('h3=":2"; ma=9', 'alt-svc', 0, 2)).toBe(false)
    expect(alternatives.onAltSvc('clear', 'alt-svc', 0, 3)).toBe(true)
    expect(places(alternatives)).toEqual([])
    expect(alternatives.unused(3)).toEqual([])
  })

  it('renews with the same value, but not for each of many responses', () => {
    const alternatives = fresh()
    const expiry = (now: number) => alternatives.usable(now)[0]?.expiresAt
    alternatives.onAltSvc('h3=":1"; ma=60', 'alt-svc', 0, 0)
    alternatives.onAltSvc('h3=":1"; ma=60', 'alt-svc', 0, 999)
    expect(expiry(999)).toBe(60_000)
    alternatives.onAltSvc('h3=":1"; ma=60', 'alt-svc', 0, 1000)
    expect(expiry(1000)).toBe(61_000)
  })

  it('keeps what it knows when a value cannot be read, and reports that once', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1"', 'alt-svc', 0, 0)
    expect(alternatives.onAltSvc('h3=":0"', 'alt-svc', 0, 5)).toBe(false)
    expect(alternatives.rejected).toEqual({
      value: 'h3=":0"',
      because: 'no alternative in it that can be read',
      at: 5,
    })
    alternatives.onAltSvc('x'.repeat(5000), 'alt-svc', 0, 6)
    expect(alternatives.rejected?.because).toBe('longer than 4096 characters')
    expect(alternatives.rejected?.value).toHaveLength(200)
    expect(places(alternatives)).toEqual(['a.example:1'])
    alternatives.onAltSvc('clear', 'alt-svc', 0, 7)
    expect(alternatives.rejected).toBeUndefined()
  })

  it('accepts HTTPS records that have h3, by priority, for at least a minute', () => {
    const alternatives = fresh()
    const records = [
      service({ priority: 3, target: 'c.example', port: 8443 }),
      service({ priority: 1, target: 'b.example', addressHints: ['192.0.2.1'] }),
      service({ priority: 2, target: 'd.example', alpn: ['h2', 'http/1.1'] }),
    ]
    alternatives.onServiceRecords(records, 1, 0)
    expect(alternatives.usable(59_999)).toMatchObject([
      {
        host: 'b.example',
        port: 443,
        source: 'https-record',
        addressHints: ['192.0.2.1'],
        expiresAt: 60_000,
      },
      { host: 'c.example', port: 8443 },
    ])
    alternatives.onServiceRecords([], 300, 0)
    expect(places(alternatives)).toEqual([])
  })

  it('orders by source, and merges what several name', () => {
    const alternatives = fresh()
    alternatives.onProbed([{ host: 'a.example', port: 443 }], 0)
    alternatives.onServiceRecords(
      [service({ port: 5, addressHints: ['192.0.2.1'] }), service({ port: 4 })],
      300,
      0,
    )
    alternatives.onAltSvc('h3=":6"; ma=60, h3=":5"; ma=60', 'alt-svc', 0, 0)
    expect(places(alternatives)).toEqual(['a.example:6', 'a.example:5', 'a.example:4', 'a.example:443'])
    expect(alternatives.usable(0)[1]).toMatchObject({
      source: 'alt-svc',
      expiresAt: 300_000,
      addressHints: ['192.0.2.1'],
    })
    alternatives.onConfigured([{ host: 'a.example', port: 443 }], 0)
    expect(places(alternatives)[0]).toBe('a.example:443')
    expect(places(alternatives, 1e15)).toEqual(['a.example:443'])
  })

  it('returns the same list for as long as nothing changes', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1"; ma=60', 'alt-svc', 0, 0)
    const list = alternatives.usable(0)
    expect(alternatives.usable(59_999)).toBe(list)
    expect(alternatives.usable(60_000)).toEqual([])
  })

  it('prefers an alternative that works, then one that was not tried, then one that failed, then a broken one', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1", h3=":2", h3=":3"', 'alt-svc', 0, 0)
    const port = (now: number) => alternatives.http3(now).alternative?.port
    const fail = (port: number, now: number) => {
      alternatives.status(`a.example:${port}`).onHttp3Failed('why', now)
      alternatives.onTcpWorked(now)
    }
    expect(port(0)).toBe(1)
    fail(1, 0)
    expect(port(0)).toBe(2)
    alternatives.status('a.example:3').onHttp3Worked(0)
    expect(port(0)).toBe(3)
    fail(2, 0)
    fail(3, 10)
    expect([port(10), alternatives.http3(10).status]).toEqual([1, 'broken'])
    expect(alternatives.changesAt(10)).toBe(1000)
    expect([port(1000), alternatives.http3(1000).status]).toEqual([1, 'failedRecently'])
    fail(1, 1000)
    expect([port(1000), alternatives.http3(1000).status]).toEqual([2, 'failedRecently'])
  })

  it('remembers that one failed though it is advertised once more', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1"', 'alt-svc', 0, 0)
    alternatives.status('a.example:1').onHttp3Failed('why', 0)
    alternatives.onTcpWorked(0)
    alternatives.onAltSvc('clear', 'alt-svc', 0, 1)
    expect(alternatives.http3(1).alternative).toBeUndefined()
    alternatives.onAltSvc('h3=":1"', 'alt-svc', 0, 2)
    expect(alternatives.http3(2)).toMatchObject({
      status: 'broken',
      because: 'broken for another 998 ms after 1 failure: why',
    })
  })

  it('keeps no more than its bounds, and forgets the oldest statuses that are not in use', () => {
    const alternatives = fresh()
    const many = (from: number, source = 'h3') =>
      Array.from({ length: 12 }, (_, i) => `${source}=":${from + i}"`).join(',')
    for (let round = 0; round < 5; round++) {
      alternatives.onAltSvc(many(1 + round * 12), 'alt-svc', 0, round * 1000)
      expect(alternatives.usable(round * 1000)).toHaveLength(8)
      expect(alternatives.statuses.size).toBeLessThanOrEqual(16)
      for (const alternative of alternatives.usable(round * 1000)) {
        expect(alternatives.statuses.has(alternativeKey(alternative))).toBe(true)
      }
    }
    const kept = [...alternatives.statuses.keys()]
    expect([kept.length, kept[0], kept[15]]).toEqual([16, 'a.example:37', 'a.example:56'])
    alternatives.onAltSvc(many(1, 'h2'), 'alt-svc', 0, 10_000)
    expect(alternatives.unused(10_000)).toHaveLength(8)
    alternatives.onServiceRecords(
      Array.from({ length: 20 }, (_, i) =>
        service({ port: i + 1, addressHints: Array(20).fill('192.0.2.1') }),
      ),
      300,
      10_000,
    )
    expect(alternatives.usable(10_000)).toHaveLength(8)
    expect(alternatives.usable(10_000)[0]?.addressHints).toHaveLength(8)
  })

  it('keeps on another network what persists, and no status', () => {
    const alternatives = fresh()
    alternatives.onAltSvc('h3=":1", h3=":2"; persist=1', 'alt-svc', 0, 0)
    alternatives.onServiceRecords([service({ port: 3 })], 300, 0)
    alternatives.onProbed([{ host: 'a.example', port: 4 }], 0)
    alternatives.onConfigured([{ host: 'a.example', port: 5 }], 0)
    alternatives.usable(0)
    alternatives.status('a.example:2').onHttp3Worked(0)
    alternatives.onNetworkChanged(1)
    expect(places(alternatives, 1)).toEqual(['a.example:5', 'a.example:2'])
    expect(alternatives.status('a.example:2').name(1)).toBe('pending')
    // The same value as before is news here.
    alternatives.onAltSvc('h3=":1", h3=":2"; persist=1', 'alt-svc', 0, 2)
    expect(places(alternatives, 2)).toContain('a.example:1')
  })
})
