import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { Resolution, Resolver } from '../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { AddressResolver, findBy } from '../../../src/dns/address-resolver.ts'
import { AlternativeResolver } from '../../../src/dns/alternative-resolver.ts'
import type { Alternative } from '../../../src/select/evidence/alternative-sets.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const ORIGIN = parseOrigin('https://shop.test')

const alternative = (host: string, port: number, addressHints: readonly string[] = []): Alternative => ({
  protocol: 'h3',
  host,
  port,
  source: 'https-record',
  learnedAt: 0,
  expiresAt: 1_000,
  persists: false,
  addressHints,
})

interface World {
  /** What the resolver says of other hosts; undefined: that they do not exist. */
  system?: string
  /** What the origin's own resolver says. */
  own?: Resolution
  overrides?: Readonly<Record<string, string>>
  signal?: AbortSignal
}

function resolve(to: Alternative, { system, own, overrides = {}, signal }: World = {}) {
  const asked: string[] = []
  const clock = new FakeClock()
  const resolver = new AddressResolver({
    clock,
    find: findBy((host, callback) => {
      asked.push(host)
      if (system === undefined) callback(new Error('ENOTFOUND'), [])
      else callback(null, [{ address: system, family: 4 }])
    }),
  })
  const ofOrigin: Resolver = {
    resolve: host => {
      asked.push(`own ${host}`)
      return own === undefined
        ? Promise.reject(new TransportError('MM_DNS_FAILED', 'none'))
        : Promise.resolve(own)
    },
  }
  const question = { origin: ORIGIN, resolver: ofOrigin, alternative: to }
  const answer = new AlternativeResolver(resolver, overrides, 0).resolve(
    question,
    signal ?? new AbortController().signal,
  )
  return { answer, asked }
}

describe('the addresses of an alternative', () => {
  const own: Resolution = {
    addresses: [
      { address: '192.0.2.1', family: 4 },
      { address: '192.0.2.2', family: 4, port: 8000 },
    ],
    source: 'endpoints',
  }

  it('at the host and port of the origin are its own, with the ports that the operator gave', async () => {
    const { answer, asked } = resolve(alternative('shop.test', 443), { own })
    await expect(answer).resolves.toEqual(own)
    expect(asked).toEqual(['own shop.test'])
  })

  it('at another port of it are its own, at that port', async () => {
    const { answer } = resolve(alternative('shop.test', 8443), { own })
    await expect(answer).resolves.toEqual({
      addresses: [
        { address: '192.0.2.1', family: 4 },
        { address: '192.0.2.2', family: 4 },
      ],
      source: 'endpoints',
    })
  })

  it('elsewhere are those of the resolver, not the endpoints of the origin', async () => {
    const { answer, asked } = resolve(alternative('alt.test', 443), { own, system: '198.51.100.1' })
    await expect(answer).resolves.toMatchObject({
      addresses: [{ address: '198.51.100.1', family: 4 }],
      source: 'system',
    })
    expect(asked).toEqual(['alt.test'])
  })

  it('elsewhere are fixed ones, where the transport has them for that host and port', async () => {
    const overrides = { 'alt.test:8443': '203.0.113.5' }
    const { answer, asked } = resolve(alternative('alt.test', 8443), { overrides })
    await expect(answer).resolves.toMatchObject({ addresses: [{ address: '203.0.113.5', family: 4 }] })
    expect(asked).toEqual([])
    const other = resolve(alternative('alt.test', 443), { overrides, system: '198.51.100.1' })
    await expect(other.answer).resolves.toMatchObject({ addresses: [{ address: '198.51.100.1' }] })
  })

  it.each([
    ['192.0.2.9', 4],
    ['2001:db8::9', 6],
  ] as const)('of a literal are the literal: %s', async (address, family) => {
    const { answer, asked } = resolve(alternative(address, 8443))
    await expect(answer).resolves.toMatchObject({ addresses: [{ address, family }] })
    expect(asked).toEqual([])
  })

  it('are the hints of its HTTPS record, where the resolver knows none (RFC 9460 7.3)', async () => {
    const hints = ['198.51.100.8', '2001:db8::8', 'nonsense', '']
    const { answer } = resolve(alternative('alt.test', 443, hints))
    await expect(answer).resolves.toEqual({
      addresses: [
        { address: '198.51.100.8', family: 4 },
        { address: '2001:db8::8', family: 6 },
      ],
      source: 'hints',
    })
  })

  it('are not the hints while the resolver answers', async () => {
    const { answer } = resolve(alternative('alt.test', 443, ['198.51.100.8']), { system: '198.51.100.1' })
    await expect(answer).resolves.toMatchObject({ addresses: [{ address: '198.51.100.1' }] })
  })

  it('are none without hints, and with the origin not found', async () => {
    await expect(resolve(alternative('alt.test', 443)).answer).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
    })
    await expect(resolve(alternative('alt.test', 443, ['nonsense'])).answer).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
    })
    await expect(resolve(alternative('shop.test', 443, ['198.51.100.8'])).answer).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
    })
  })

  it('are not looked for in hints when the caller has given up', async () => {
    const reason = new TransportError('MM_ABORTED', 'given up')
    const { answer } = resolve(alternative('alt.test', 443, ['198.51.100.8']), {
      signal: AbortSignal.abort(reason),
    })
    await expect(answer).rejects.toBe(reason)
  })
})
