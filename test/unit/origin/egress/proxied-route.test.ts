import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { type Endpoint, formatEndpoint, type Resolver } from '../../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { egressSettings } from '../../../../src/origin/egress/egress-settings.ts'
import { ProxiedRoute, type ProxiedRouteParts } from '../../../../src/origin/egress/proxied-route.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const NEVER = new AbortController().signal
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'a.test': ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
  'b.test': ['192.0.2.9'],
  'c.test': ['192.0.2.17'],
  'd.test': ['192.0.2.25'],
}

type OpenUdp = ProxiedRouteParts['openPooledUdp']

function routeThrough(
  proxies: readonly string[],
  openPooledUdp: OpenUdp = () => Promise.reject(new Error('no UDP')),
  clock: FakeClock = new FakeClock(),
): ProxiedRoute {
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
    openPooledUdp,
    openPooledTunnel: () => Promise.reject(new Error('no proxy of these speaks HTTP/2')),
    clock,
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

  describe('for HTTP/3', () => {
    const TARGET = { host: 'origin.test', port: 443 }
    const TUNNEL = {
      maxDatagramBytes: 0,
      owner: undefined,
      send: () => true,
      ref() {},
      unref() {},
      close() {},
    }
    const at = async (route: ProxiedRoute): Promise<Endpoint[]> => {
      const { addresses } = await route.resolveForUdp(NEVER)
      return addresses.map(({ address, family, port = 0 }) => ({ address, family, port, transport: 'udp' }))
    }

    it('leads to proxies that carry UDP only', async () => {
      const route = routeThrough(['http://a.test:1', 'h2://b.test:2', 'socks5h://c.test:3', 'h3://d.test:4'])
      expect((await at(route)).map(formatEndpoint)).toEqual(['192.0.2.9:2', '192.0.2.25:4'])
      expect(route.udpFault(0)).toBeUndefined()
      const none = routeThrough(['http://a.test:1'])
      await expect(at(none)).rejects.toMatchObject({ code: 'MM_PROTOCOL_UNAVAILABLE' })
      expect(none.udpFault(0)).toContain('egress out has no h2 or h3 proxy')
    })

    it('asks a proxy that refuses no more for ten minutes, and the others meanwhile', async () => {
      const clock = new FakeClock()
      const refuses = new Set(['b.test'])
      const asked: string[] = []
      const open: OpenUdp = async ({ proxy, target }) => {
        expect(target).toBe(TARGET)
        asked.push(proxy.host)
        if (refuses.has(proxy.host)) throw new TransportError('MM_PROXY_REFUSED', `${proxy.name} says 405`)
        return TUNNEL
      }
      const route = routeThrough(['h2://b.test:2', 'h3://d.test:4'], open, clock)
      const [first, second] = await at(route)
      if (first === undefined || second === undefined) throw new Error('too few')
      const tunnels = route.tunnelsTo(TARGET)
      await expect(tunnels.open(first, NEVER)).rejects.toMatchObject({ code: 'MM_PROXY_REFUSED' })
      expect((await at(route)).map(formatEndpoint)).toEqual(['192.0.2.25:4'])
      expect(route.udpFault(clock.now())).toBeUndefined()
      expect(JSON.stringify(route.facts(clock.now()))).toContain('carries no UDP for this origin')
      refuses.add('d.test')
      await expect(tunnels.open(second, NEVER)).rejects.toMatchObject({ code: 'MM_PROXY_REFUSED' })
      expect(route.udpFault(clock.now())).toContain('says 405')
      // Who has nothing else asks all the same.
      expect((await at(route)).map(formatEndpoint)).toEqual(['192.0.2.9:2', '192.0.2.25:4'])
      clock.advance(600_000)
      expect(route.udpFault(clock.now())).toBeUndefined()
      refuses.clear()
      expect(await tunnels.open(first, NEVER)).toBe(TUNNEL)
      expect(asked).toEqual(['b.test', 'd.test', 'b.test'])
    })

    it('parts proxies of UDP from those of TCP at the same address and port', async () => {
      const route = routeThrough(['http://b.test:2', 'h3://b.test:2'])
      await route.resolve('origin.test', NEVER)
      const [endpoint] = await at(route)
      await route.resolve('origin.test', NEVER)
      if (endpoint === undefined) throw new Error('no proxy')
      expect(route.nameOf(endpoint)).toBe('the proxy h3://b.test:2 of egress out')
      expect(route.nameOf({ ...endpoint, transport: 'tcp' })).toBe('the proxy http://b.test:2 of egress out')
    })
  })
})
