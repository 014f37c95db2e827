import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/errors.ts'
import { DEFAULT_RESOLVER_OPTIONS } from '../../../src/options.ts'
import { DnsCache } from '../../../src/select/dns-cache.ts'

const ANSWER = [{ address: '127.0.0.1', family: 4 as const }]
const FAILURE = new TransportError('MM_DNS_FAILED', 'no')

describe('DnsCache', () => {
  it('knows an answer for 30 s and a failure for 1 s by default', () => {
    const cache = new DnsCache(DEFAULT_RESOLVER_OPTIONS)
    cache.set('good', ANSWER, 0)
    cache.set('bad', FAILURE, 0)
    expect([cache.get('good', 29_999), cache.get('good', 30_000)]).toEqual([ANSWER, undefined])
    expect([cache.get('bad', 999), cache.get('bad', 1000)]).toEqual([FAILURE, undefined])
    expect(cache.size).toBe(0)
  })

  it('is bounded; the longest unused makes room', () => {
    const cache = new DnsCache({ ...DEFAULT_RESOLVER_OPTIONS, maxDnsEntries: 2 })
    cache.set('one', ANSWER, 0)
    cache.set('two', ANSWER, 0)
    cache.get('one', 1)
    cache.set('three', ANSWER, 2)
    expect(['one', 'two', 'three'].map(host => cache.get(host, 3) !== undefined)).toEqual([true, false, true])
  })

  it.each([
    ['dnsCacheMs', ANSWER],
    ['dnsNegativeCacheMs', FAILURE],
    ['maxDnsEntries', ANSWER],
  ])('keeps nothing with %s 0, and drops what it had', (option, answer) => {
    const cache = new DnsCache({ ...DEFAULT_RESOLVER_OPTIONS, [option]: 0 })
    cache.set('host', answer, 0)
    expect(cache.size).toBe(0)
  })

  it('lets a failure take the place of an answer', () => {
    const cache = new DnsCache({ ...DEFAULT_RESOLVER_OPTIONS, dnsNegativeCacheMs: 0 })
    cache.set('host', ANSWER, 0)
    cache.set('host', FAILURE, 1)
    expect(cache.get('host', 2)).toBeUndefined()
  })

  it('forgets everything on clear', () => {
    const cache = new DnsCache(DEFAULT_RESOLVER_OPTIONS)
    cache.set('host', ANSWER, 0)
    cache.clear()
    expect(cache.get('host', 0)).toBeUndefined()
  })
})
