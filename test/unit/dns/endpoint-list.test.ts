import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { ResolvedAddress } from '../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { AddressResolver } from '../../../src/dns/address-resolver.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { settled } from '../../support/fake-connector.ts'

const ORIGIN = parseOrigin('https://shop.test')
const never = new AbortController().signal

/** `answers`: of each host; undefined: nobody answers. */
function setUp(answers: Readonly<Record<string, readonly ResolvedAddress[] | undefined>>) {
  const clock = new FakeClock()
  const asked: string[] = []
  const resolver = new AddressResolver({
    clock,
    find: async host => {
      asked.push(host)
      const addresses = answers[host]
      if (addresses === undefined) return await new Promise(() => {})
      const error = new TransportError('MM_DNS_FAILED', `${host} has no address`)
      return addresses.length === 0
        ? { kind: 'none', error, ttlMs: 0 }
        : { kind: 'found', addresses, source: 'dns', ttlMs: 5_000 }
    },
  })
  const resolve = (endpoints: readonly string[], overrides: Readonly<Record<string, string>> = {}) =>
    resolver.forOrigin(ORIGIN, { endpoints, overrides, dnsMs: 5_000 }).resolve('shop.test', never)
  return { clock, asked, resolver, resolve }
}

const v4 = (address: string): ResolvedAddress => ({ address, family: 4 })

describe('the addresses of a list of endpoints', () => {
  it('are those of each in the order of the list, host names among them, with their ports', async () => {
    const { resolve, asked } = setUp({ 'b.test': [v4('192.0.2.2'), v4('192.0.2.3')] })
    expect(await resolve(['192.0.2.1:8443', 'B.test:9443', '[2001:db8::1]'])).toEqual({
      addresses: [
        { ...v4('192.0.2.1'), port: 8_443 },
        { ...v4('192.0.2.2'), port: 9_443 },
        { ...v4('192.0.2.3'), port: 9_443 },
        { address: '2001:db8::1', family: 6 },
      ],
      source: 'endpoints',
    })
    expect(asked).toEqual(['b.test'])
  })

  it('are left out for a name that has none, and do not wait for one that nobody answers for', async () => {
    const { resolve, clock } = setUp({ 'none.test': [], 'b.test': [v4('192.0.2.2')] })
    const answer = resolve(['none.test', 'dead.test', 'b.test'])
    await settled()
    clock.advance(250)
    expect((await answer).addresses).toEqual([v4('192.0.2.2')])
  })

  it('fail with the error of the first name where none has any', async () => {
    const { resolve } = setUp({ 'a.test': [], 'b.test': [] })
    await expect(resolve(['a.test', 'b.test'])).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
      message: 'a.test has no address',
    })
  })

  it('are fixed ones for a name and port that have some', async () => {
    const { resolve, asked } = setUp({ 'b.test': [v4('192.0.2.2')] })
    const overrides = { 'B.test:443': '127.0.0.1', 'c.test:9443': '127.0.0.2:7' }
    expect((await resolve(['b.test', 'c.test:9443'], overrides)).addresses).toEqual([
      v4('127.0.0.1'),
      { ...v4('127.0.0.2'), port: 7 },
    ])
    expect(asked).toEqual([])
  })

  it('say how long they are fresh, for one name', async () => {
    const { resolver } = setUp({ 'b.test': [v4('192.0.2.2')] })
    const one = resolver.forEndpoint('b.test:9443', ORIGIN, {})
    expect(await one.resolve('', never)).toEqual({
      addresses: [{ ...v4('192.0.2.2'), port: 9_443 }],
      source: 'dns',
      freshForMs: 5_000,
    })
  })
})
