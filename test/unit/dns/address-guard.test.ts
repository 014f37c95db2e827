import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { Resolution } from '../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import type { AddressGuardOptions } from '../../../src/base/options/address-guard-options.ts'
import { AddressGuard } from '../../../src/dns/address-guard.ts'
import { AddressResolver } from '../../../src/dns/address-resolver.ts'
import { AlternativeResolver } from '../../../src/dns/alternative-resolver.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const never = new AbortController().signal
const PUBLIC = '8.8.8.8'
const OWN = '9.9.9.9'

function resolution(...addresses: string[]): Resolution {
  return {
    addresses: addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    source: 'dns',
  }
}

function guard(options: AddressGuardOptions = {}): AddressGuard {
  return new AddressGuard(options, () => new Set(['127.0.0.1', OWN]))
}

/** The addresses that are let through, or the message of the refusal. */
function admitted(guarded: AddressGuard, ...addresses: string[]): unknown {
  try {
    return guarded.admit('shop.test', resolution(...addresses), 443).addresses.map(({ address }) => address)
  } catch (error) {
    if (!(error instanceof TransportError) || error.code !== 'MM_ADDRESS_REFUSED') throw error
    return error.message
  }
}

describe('AddressGuard', () => {
  it('lets public addresses through, and of several those alone', () => {
    expect(admitted(guard(), PUBLIC)).toEqual([PUBLIC])
    expect(admitted(guard(), '10.0.0.1', PUBLIC, 'fd00::1')).toEqual([PUBLIC])
  })

  it('refuses a name that has no other addresses, and says which one is what', () => {
    expect(admitted(guard(), '10.0.0.1', '::1')).toBe(
      'shop.test is 10.0.0.1, and that is not dialed: it is private',
    )
    expect(() => guard().admit('10.0.0.1', resolution('10.0.0.1'), 80)).toThrow(
      '10.0.0.1 is not dialed: it is private',
    )
  })

  it('refuses the addresses of this machine, public as they may be', () => {
    expect(admitted(guard(), OWN)).toContain('it is an address of this machine')
    expect(admitted(guard({ allowPrivate: [`${OWN}/32`] }), OWN)).toEqual([OWN])
  })

  it('lets listed networks through, and no others', () => {
    const guarded = guard({ allowPrivate: ['10.1.0.0/16', 'fd00::/8', '127.0.0.1'] })
    expect(admitted(guarded, '10.1.2.3', '10.2.2.3', 'fd12::1', '127.0.0.1', '127.0.0.2', 'fe80::1')).toEqual(
      ['10.1.2.3', 'fd12::1', '127.0.0.1'],
    )
  })

  it('asks a caller about each endpoint that is left, with its own port where it has one', () => {
    const asked: string[] = []
    const guarded = guard({
      refuse: (address, port) => {
        asked.push(`${address} ${port}`)
        return port === 8080 ? 'a listener of ours' : undefined
      },
    })
    const { addresses } = resolution(PUBLIC, '10.0.0.1')
    const elsewhere = { address: '8.8.4.4', family: 4 as const, port: 8080 }
    const left = guarded.admit('shop.test', { addresses: [...addresses, elsewhere], source: 'dns' }, 443)
    expect(left.addresses).toEqual([addresses[0]])
    expect(asked).toEqual([`${PUBLIC} 443`, '8.8.4.4 8080'])
  })

  it('refuses a list that holds what is no network', () => {
    expect(() => guard({ allowPrivate: ['10.0.0.0/8', '10.0.0.0/33'] })).toThrow('not "10.0.0.0/33"')
  })
})

describe('AddressResolver with a guard', () => {
  function setUp(answers: string[]) {
    const clock = new FakeClock()
    const resolver = new AddressResolver({
      clock,
      options: { dnsCacheMs: 1_000, dnsStaleMs: 60_000, dnsStaleAnswerMs: 10 },
      guard: guard(),
      find: () => {
        const next = answers.shift()
        const error = new TransportError('MM_DNS_FAILED', 'nobody answers')
        if (next === undefined) return Promise.resolve({ kind: 'failed' as const, error })
        return Promise.resolve({ kind: 'found' as const, ...resolution(next), ttlMs: 1_000 })
      },
    })
    const of = (url: string, settings = {}) => {
      const origin = parseOrigin(url)
      return resolver
        .forOrigin(origin, settings)
        .resolve(origin.host, never)
        .then(
          ({ addresses, source }) => `${addresses.map(({ address }) => address).join()} ${source}`,
          (error: TransportError) => error.code,
        )
    }
    return { clock, resolver, of }
  }

  it('looks at each answer, also one that follows on a public one', async () => {
    const { clock, of } = setUp([PUBLIC, '127.0.0.1'])
    expect(await of('https://shop.test')).toBe(`${PUBLIC} dns`)
    expect(await of('https://shop.test')).toBe(`${PUBLIC} cache`)
    clock.advance(1_001)
    expect(await of('https://shop.test')).toBe('MM_ADDRESS_REFUSED')
  })

  it('looks at answers from the cache, and at those whose time is over', async () => {
    const { clock, of } = setUp(['10.0.0.1'])
    expect(await of('https://shop.test')).toBe('MM_ADDRESS_REFUSED')
    expect(await of('https://shop.test')).toBe('MM_ADDRESS_REFUSED')
    clock.advance(1_001)
    expect(await of('https://shop.test')).toBe('MM_ADDRESS_REFUSED')
  })

  it('looks at literals, fixed addresses and endpoints, too', async () => {
    const { of } = setUp([])
    expect(await of('http://127.0.0.1')).toBe('MM_ADDRESS_REFUSED')
    expect(await of('http://2130706433')).toBe('MM_ADDRESS_REFUSED')
    expect(await of('http://[::ffff:a00:1]')).toBe('MM_ADDRESS_REFUSED')
    expect(await of('http://shop.test', { overrides: { 'shop.test:80': '10.0.0.1' } })).toBe(
      'MM_ADDRESS_REFUSED',
    )
    expect(await of('http://shop.test', { endpoints: ['192.168.0.1:80', PUBLIC] })).toBe(
      `${PUBLIC} endpoints`,
    )
  })

  it('looks at each endpoint by itself, and at those that have names', async () => {
    const { resolver } = setUp(['10.0.0.1', PUBLIC])
    const origin = parseOrigin('https://shop.test')
    const at = (text: string) =>
      resolver
        .forEndpoint(text, origin, {})
        .resolve('shop.test', never)
        .then(
          ({ addresses }) => addresses,
          (error: TransportError) => error.code,
        )
    expect(await at('127.0.0.1:8443')).toBe('MM_ADDRESS_REFUSED')
    expect(await at('inner.test:8443')).toBe('MM_ADDRESS_REFUSED')
    expect(await at('outer.test:8443')).toEqual([{ address: PUBLIC, family: 4, port: 8443 }])
  })

  it('looks at where HTTP/3 is advertised, and at hints of its record', async () => {
    const { resolver } = setUp(['10.0.0.1'])
    const alternatives = new AlternativeResolver(resolver, {}, 1_000)
    const origin = parseOrigin('https://shop.test')
    const ask = (host: string, addressHints: readonly string[] = []) =>
      alternatives
        .resolve(
          {
            origin,
            resolver: { resolve: async () => resolution(PUBLIC) },
            alternative: { host, port: 8443, addressHints },
          },
          never,
        )
        .then(
          ({ addresses }) => addresses.map(({ address }) => address),
          (error: TransportError) => error.code,
        )
    expect(await ask('inner.test')).toBe('MM_ADDRESS_REFUSED')
    expect(await ask('169.254.169.254')).toBe('MM_ADDRESS_REFUSED')
    expect(await ask('unknown.test', ['192.168.1.1', 'fd00::1'])).toBe('MM_ADDRESS_REFUSED')
    expect(await ask('shop.test')).toEqual([PUBLIC])
  })
})
