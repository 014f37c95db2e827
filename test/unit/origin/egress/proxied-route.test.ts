import { describe, expect, it } from 'vitest'
import { formatEndpoint, type Resolver } from '../../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { egressSettings } from '../../../../src/origin/egress/egress-settings.ts'
import { ProxiedRoute } from '../../../../src/origin/egress/proxied-route.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const NEVER = new AbortController().signal
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'a.test': ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
  'b.test': ['192.0.2.9'],
  'c.test': ['192.0.2.17'],
  'd.test': ['192.0.2.25'],
}

function routeThrough(proxies: readonly string[]): ProxiedRoute {
  const egress = egressSettings({ out: { proxies } }).get('out')
  if (egress?.kind !== 'proxies') throw new Error('no egress')
  const asked: Resolver = {
    resolve: host => {
      const found = ADDRESSES[host]
      if (found === undefined) return Promise.reject(new Error(`${host} is not there`))
      return Promise.resolve({
        addresses: found.map(address => ({ address, family: 4 as const })),
        source: 'dns',
      })
    },
  }
  return new ProxiedRoute({
    origin: parseOrigin('https://origin.test'),
    egress,
    ownResolver: { resolve: () => Promise.reject(new Error('nobody asks for the origin')) },
    resolverOf: () => asked,
    context: () => {
      throw new Error('no TLS is spoken')
    },
    openPooledUdp: () => Promise.reject(new Error('no UDP')),
    openPooledTunnel: () => Promise.reject(new Error('no proxy of these speaks HTTP/2')),
    clock: new FakeClock(),
    random: () => 0,
    timeoutMs: 1_000,
  })
}

async function places(route: ProxiedRoute): Promise<string[]> {
  const { addresses, source } = await route.resolve('origin.test', NEVER)
  // What an operator has written down: the order stays, and nothing is drained.
  expect(source).toBe('endpoints')
  return addresses.map(({ address, family, port = 0 }) =>
    formatEndpoint({ address, family, port, transport: 'tcp' }),
  )
}

describe('the route of an origin through proxies', () => {
  it('leads to three proxies at the most, and two addresses of each, in order of rotation', async () => {
    const route = routeThrough(['http://a.test:1', 'http://b.test:2', 'http://c.test:3', 'http://d.test:4'])
    expect(await places(route)).toEqual(['192.0.2.1:1', '192.0.2.2:1', '192.0.2.9:2', '192.0.2.17:3'])
  })

  it('skips a proxy without an address, and fails by name where none has any', async () => {
    expect(await places(routeThrough(['http://x.test:1', 'http://b.test:2']))).toEqual(['192.0.2.9:2'])
    await expect(places(routeThrough(['http://x.test', 'http://y.test']))).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
      message: 'no proxy of egress out has an address: x.test is not there',
    })
  })

  it('uses the first of several proxies with other credentials at one address', async () => {
    const route = routeThrough(['http://u:1@b.test:2', 'socks5h://u:2@b.test:2'])
    expect(await places(route)).toEqual(['192.0.2.9:2'])
    const name = route.nameOf({ address: '192.0.2.9', family: 4, port: 2, transport: 'tcp' })
    expect(name).toBe('the proxy http://b.test:2 of egress out')
  })

  it('reports which proxy carries, and for how long', async () => {
    const route = routeThrough(['http://b.test:2'])
    expect(route.facts(0)).toEqual([
      { fact: 'connections leave through egress out', evidence: '1 proxies, none chosen yet' },
    ])
    await route.resolve('origin.test', NEVER)
    expect(route.facts(0)).toEqual([
      {
        fact: 'connections leave through http://b.test:2 (egress out)',
        evidence: 'for 90 s more, or until it fails',
      },
    ])
  })
})
