import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../../../src/base/options/resolver-options.ts'
import { AddressCache } from '../../../src/dns/address-cache.ts'

const ADDRESSES = [{ address: '127.0.0.1', family: 4 as const }]
const ERROR = new TransportError('MM_DNS_FAILED', 'no')
const FRESH = { kind: 'fresh', addresses: ADDRESSES }
const FAILED = { kind: 'failed', error: ERROR }

function cacheWith(options: Partial<ResolverOptions> = {}): AddressCache {
  return new AddressCache({ ...DEFAULT_RESOLVER_OPTIONS, ...options })
}

describe('AddressCache', () => {
  it('keeps an answer for 30 s, and as a stale one for a day after that', () => {
    const cache = cacheWith()
    cache.onAnswer('host', ADDRESSES, Infinity, 0)
    const stale = { kind: 'stale', addresses: ADDRESSES, isToBeAsked: true }
    expect([29_999, 30_000, 86_429_999, 86_430_000].map(now => cache.get('host', now))).toEqual([
      { ...FRESH, freshForMs: 1 },
      stale,
      stale,
      undefined,
    ])
    expect(cache.size).toBe(0)
  })

  it('does not ask again for 30 s after a failure, or a lookup that takes long', () => {
    for (const spoil of ['onFailure', 'onSlow'] as const) {
      const cache = cacheWith()
      cache.onAnswer('host', ADDRESSES, 5_000, 0)
      if (spoil === 'onSlow') cache.onSlow('host', 6_000)
      else expect(cache.onFailure('host', ERROR, 6_000)).toBe(ADDRESSES)
      const after = [6_000, 35_999, 36_000]
      expect(after.map(now => cache.get('host', now))).toMatchObject([
        { kind: 'stale', isToBeAsked: false },
        { kind: 'stale', isToBeAsked: false },
        { kind: 'stale', isToBeAsked: true },
      ])
    }
  })

  it('keeps a failure for a second, and twice as long each time, up to 10 s', () => {
    const cache = cacheWith()
    let now = 0
    const kept: number[] = []
    for (let failures = 0; failures < 6; failures++) {
      expect(cache.onFailure('host', ERROR, now)).toBeUndefined()
      const since = now
      while (cache.get('host', now) !== undefined) now += 1_000
      kept.push(now - since)
    }
    expect(kept).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
    cache.onAnswer('host', ADDRESSES, 0, now)
    expect(cache.onFailure('other', ERROR, now)).toBeUndefined()
    expect(cache.get('other', now + 999)).toEqual(FAILED)
    expect(cache.get('other', now + 1_000)).toBeUndefined()
  })

  it('believes that a name has no address for a second, or as long as the answer says, whatever was known before', () => {
    const cache = cacheWith()
    cache.onAnswer('host', ADDRESSES, Infinity, 0)
    cache.onNone('host', ERROR, Infinity, 1)
    expect([cache.get('host', 1_000), cache.get('host', 1_001)]).toEqual([FAILED, undefined])
    cache.onNone('short', ERROR, 10, 0)
    expect([cache.get('short', 9), cache.get('short', 10)]).toEqual([FAILED, undefined])
    cache.onAnswer('gone', ADDRESSES, Infinity, 0)
    cache.onNone('gone', ERROR, 0, 1)
    expect(cache.get('gone', 2)).toBeUndefined()
  })

  it('is bounded, and evicts the least recently used', () => {
    const cache = cacheWith({ maxDnsEntries: 2 })
    cache.onAnswer('one', ADDRESSES, Infinity, 0)
    cache.onAnswer('two', ADDRESSES, Infinity, 0)
    cache.get('one', 1)
    cache.onAnswer('three', ADDRESSES, Infinity, 2)
    expect(['one', 'two', 'three'].map(host => cache.get(host, 3) !== undefined)).toEqual([true, false, true])
  })

  it('keeps nothing with maxDnsEntries 0, and no failure with dnsNegativeCacheMs 0', () => {
    const none = cacheWith({ maxDnsEntries: 0 })
    none.onAnswer('host', ADDRESSES, Infinity, 0)
    expect(none.size).toBe(0)
    const cache = cacheWith({ dnsNegativeCacheMs: 0 })
    cache.onFailure('host', ERROR, 0)
    cache.onNone('other', ERROR, Infinity, 0)
    expect(cache.size).toBe(0)
  })

  it('keeps an answer only as a stale one with dnsCacheMs 0, and not at all with dnsStaleMs 0 as well', () => {
    const stale = cacheWith({ dnsCacheMs: 0 })
    stale.onAnswer('host', ADDRESSES, Infinity, 0)
    expect(stale.get('host', 0)).toMatchObject({ kind: 'stale', isToBeAsked: true })
    const none = cacheWith({ dnsCacheMs: 0, dnsStaleMs: 0 })
    none.onAnswer('host', ADDRESSES, Infinity, 0)
    expect(none.size).toBe(0)
  })

  it('with a dnsFailureCacheMs below dnsNegativeCacheMs keeps failures as long as the latter says', () => {
    const cache = cacheWith({ dnsFailureCacheMs: 0 })
    for (const now of [0, 1_000]) {
      cache.onFailure('host', ERROR, now)
      expect([cache.get('host', now + 999), cache.get('host', now + 1_000)]).toEqual([FAILED, undefined])
    }
  })

  it('has all answers asked for again when the network has changed, and forgets failures', () => {
    const cache = cacheWith()
    cache.onAnswer('host', ADDRESSES, Infinity, 0)
    cache.onFailure('failed', ERROR, 0)
    cache.expire(1)
    expect(cache.get('host', 1)).toMatchObject({ kind: 'stale', isToBeAsked: true })
    expect(cache.get('failed', 1)).toBeUndefined()
  })
})
