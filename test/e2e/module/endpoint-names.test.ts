import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BalanceOptions } from '../../../src/entry/options.ts'
import { createTransport, type OriginOptions, type Transport } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startAddressedNginx } from '../../support/addressed-nginx.ts'
import { startCaddy } from '../../support/caddy.ts'
import { type Answering, type DnsServer, fromZone, startDnsServer } from '../../support/dns-server.ts'
import { a, type WireRecord } from '../../support/dns-wire.ts'
import type { Nginx } from '../../support/nginx.ts'
import { startNodeHttp2 } from '../../support/node-http2.ts'
import { openTunnel } from '../../support/open-tunnel.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { until } from '../../support/until.ts'

const ADDRESSES = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
const ORIGIN = 'https://localhost'
const NAME = 'shop.internal'

let authority: CertificateAuthority
let nginx: Nginx
const running: AsyncDisposable[] = []

beforeAll(async () => {
  authority = await createCertificateAuthority()
  nginx = await startAddressedNginx(ADDRESSES, authority)
})

afterAll(() => nginx.stop())

afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one[Symbol.asyncDispose]()
})

/** A DNS whose answers may be kept for a second, and change with `become`. */
async function startZone() {
  let records: WireRecord[] = []
  const answering: Answering = asked => fromZone(records, 0)(asked)
  const dns = await startDnsServer(answering)
  running.push(dns)
  const become = (addresses: readonly string[], name = NAME): void => {
    records = [...records.filter(record => record.name !== name), ...addresses.map(at => a(name, at, 1))]
  }
  return { dns, become }
}

function transportTo(
  { address }: DnsServer,
  endpoints: OriginOptions['endpoints'],
  balance: Partial<BalanceOptions> = {},
  more: OriginOptions = {},
): Transport {
  const defaults = { tls: { ca: authority.cert }, protocols: ['h2'], endpoints, balance, ...more } as const
  const transport = createTransport({ defaults, dnsServers: [address] })
  running.push({ [Symbol.asyncDispose]: () => transport.close() })
  return transport
}

async function ask(transport: Transport): Promise<string> {
  return await (await transport.request(ORIGIN)).text()
}

/** How many answers came from which address. */
async function spread(transport: Transport, requests: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const text of await Promise.all(Array.from({ length: requests }, () => ask(transport)))) {
    const [address = '', serverName] = text.split(' ')
    expect(serverName).toBe('localhost')
    counts[address] = (counts[address] ?? 0) + 1
  }
  return counts
}

function endpointsOf(transport: Transport) {
  return transport.stats().pools.flatMap(({ endpoints = [] }) => endpoints)
}

const at = (): string => `${NAME}:${nginx.tlsPort}`

describe('a host name among the endpoints of an origin', () => {
  it('has every address as an endpoint, those that come share the load, those that go end what they have', async () => {
    const { dns, become } = await startZone()
    become(['127.0.0.2'])
    const transport = transportTo(dns, [at()], { policy: 'round-robin' })
    expect(await spread(transport, 10)).toEqual({ '127.0.0.2': 10 })
    const download = await transport.request(`${ORIGIN}/slow/1m`)

    become(ADDRESSES)
    await until(() => endpointsOf(transport).length === 3, 'three endpoints')
    expect(await spread(transport, 90)).toEqual({ '127.0.0.2': 30, '127.0.0.3': 30, '127.0.0.4': 30 })

    become(['127.0.0.3', '127.0.0.4'])
    await until(() => endpointsOf(transport)[2]?.state === 'leaving', 'an endpoint on its way out')
    expect(await spread(transport, 60)).toEqual({ '127.0.0.3': 30, '127.0.0.4': 30 })
    expect((await download.bytes()).length).toBe(1_048_576)
    await until(() => endpointsOf(transport).length === 2, 'the end of the endpoint')

    const [{ endpointNames } = {}] = transport.stats().pools
    expect(endpointNames).toMatchObject([{ name: at(), addresses: 2, ignored: 0, lastError: undefined }])
    const { known } = await transport.explain(ORIGIN)
    expect(known.map(({ fact }) => fact)).toContain(`endpoint name ${at()} has 2 addresses`)
  })

  it('keeps its endpoints while the DNS says nothing, or that there are none', async () => {
    const { dns, become } = await startZone()
    become(['127.0.0.2', '127.0.0.3'])
    const transport = transportTo(dns, [at()], { policy: 'round-robin' })
    await ask(transport)
    become([])
    await until(
      () => (transport.stats().pools[0]?.endpointNames?.[0]?.failed ?? 0) > 1,
      'lookups that bring nothing',
    )
    expect(await spread(transport, 10)).toEqual({ '127.0.0.2': 5, '127.0.0.3': 5 })
  })

  it('that cannot be resolved stops no other, and alone fails requests with the reason until it can', async () => {
    const { dns, become } = await startZone()
    become(['127.0.0.3'])
    const both = transportTo(dns, [`none.internal:${nginx.tlsPort}`, at()], { policy: 'random' })
    expect(await spread(both, 5)).toEqual({ '127.0.0.3': 5 })
    const alone = transportTo(dns, [`late.internal:${nginx.tlsPort}`], { policy: 'random' })
    await expect(ask(alone)).rejects.toMatchObject({ code: 'MM_DNS_FAILED' })
    expect((await alone.explain(ORIGIN)).known).toContainEqual({
      fact: `endpoint name late.internal:${nginx.tlsPort} has 0 addresses`,
      evidence: expect.stringContaining('late.internal does not exist'),
    })
    become(['127.0.0.4'], 'late.internal')
    await until(() => endpointsOf(alone).length > 0, 'an endpoint')
    expect(await spread(alone, 5)).toEqual({ '127.0.0.4': 5 })
  })

  it('that nobody answers for fails requests when the time for it is over', async () => {
    const dns = await startDnsServer(() => undefined)
    running.push(dns)
    const transport = transportTo(dns, [at()], { policy: 'random' }, { timeouts: { dnsMs: 300 } })
    await expect(ask(transport)).rejects.toMatchObject({ code: 'MM_DNS_TIMEOUT' })
    const bounded = transport.request(ORIGIN, { requestTimeoutMs: 100 })
    await expect(bounded).rejects.toMatchObject({ code: expect.stringMatching(/^MM_(REQUEST|DNS)_TIMEOUT$/) })
  })

  it('serves what waits for its first address, though the settings of the origin change meanwhile', async () => {
    const zone = fromZone([a(NAME, '127.0.0.2', 1)])
    const dns = await startDnsServer(async asked => {
      await new Promise(resolve => setTimeout(resolve, 700))
      return zone(asked)
    })
    running.push(dns)
    const transport = transportTo(dns, [at()], { policy: 'random' })
    const waiting = ask(transport)
    const defaults = { tls: { ca: authority.cert }, pool: { maxConnections: 7 } }
    transport.configure({ defaults, dnsServers: [dns.address] })
    expect(await waiting).toBe('127.0.0.2 localhost')
    await until(() => transport.stats().leaving.length === 0, 'the end of the old pools')
  })

  it('is looked up no more when the transport is closed', async () => {
    const { dns, become } = await startZone()
    become(['127.0.0.2'])
    const transport = transportTo(dns, [at()], { policy: 'random' })
    await ask(transport)
    await until(() => dns.asked.length > 2, 'another lookup')
    await transport.close()
    const asked = dns.asked.length
    await new Promise(resolve => setTimeout(resolve, 2_500))
    expect(dns.asked.length).toBe(asked)
  })

  it('becomes no more endpoints than balance.maxAddressesPerName', async () => {
    const { dns, become } = await startZone()
    become(ADDRESSES)
    const transport = transportTo(dns, [at()], { policy: 'round-robin', maxAddressesPerName: 2 })
    expect(Object.values(await spread(transport, 10))).toEqual([5, 5])
    expect(transport.stats().pools[0]?.endpointNames).toMatchObject([{ addresses: 2, ignored: 1 }])
  })

  it('is tried with all its addresses, in the order of the list, where nothing is balanced', async () => {
    const { dns, become } = await startZone()
    become(['127.0.0.9'], 'dead.internal') // nobody listens there
    become(['127.0.0.4'])
    const transport = transportTo(dns, [`dead.internal:${nginx.tlsPort}`, at(), `127.0.0.2:${nginx.tlsPort}`])
    expect(await spread(transport, 5)).toEqual({ '127.0.0.4': 5 })
    const first = transportTo(dns, [`127.0.0.2:${nginx.tlsPort}`, `none.internal:${nginx.tlsPort}`])
    expect(await spread(first, 5)).toEqual({ '127.0.0.2': 5 })
  })
})

describe('other endpoints in a new configuration', () => {
  it('leave the connections, requests and health of those that stay', async () => {
    const events: string[] = []
    const at2 = `127.0.0.2:${nginx.tlsPort}`
    const at3 = `127.0.0.3:${nginx.tlsPort}`
    const optionsWith = (endpoints: OriginOptions['endpoints']) => ({
      defaults: { tls: { ca: authority.cert }, protocols: ['h2'] as const },
      origins: { [ORIGIN]: { endpoints, balance: { policy: 'round-robin' as const } } },
      observer: ({ type }: { type: string }) => void events.push(type),
    })
    const transport = createTransport(optionsWith([at2, at3]))
    running.push({ [Symbol.asyncDispose]: () => transport.close() })
    await spread(transport, 10)
    const download = await transport.request(`${ORIGIN}/slow/1m`)
    events.length = 0
    transport.configure(optionsWith([{ address: at2, weight: 3 }, at3, `127.0.0.4:${nginx.tlsPort}`]))
    expect(await spread(transport, 50)).toEqual({ '127.0.0.2': 30, '127.0.0.3': 10, '127.0.0.4': 10 })
    expect(events.filter(type => type === 'connection-opened')).toHaveLength(1)
    expect(events).toContain('endpoints-changed')
    transport.configure(optionsWith([`127.0.0.4:${nginx.tlsPort}`]))
    expect(await spread(transport, 10)).toEqual({ '127.0.0.4': 10 })
    expect((await download.bytes()).length).toBe(1_048_576)
    expect(transport.stats()).toMatchObject({ leaving: [], pools: [{ requests: 71 }] })
    expect(events.filter(type => type === 'connection-opened')).toHaveLength(1)
  })
})

describe('two caddys under names over HTTP/3', () => {
  const missing = requireBinary('caddy') ?? requireQuic()

  it('share the requests as soon as the second one is configured, over the old connection to the first', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const { dns, become } = await startZone()
    become(['127.0.0.1'])
    const caddys = [await startCaddy({ http3: true }), await startCaddy({ http3: true })]
    for (const caddy of caddys) running.push({ [Symbol.asyncDispose]: () => caddy.stop() })
    const endpoints = caddys.map(({ url }) => `${NAME}:${new URL(url).port}`)
    const optionsWith = (some: readonly string[]) => ({
      defaults: {
        tls: { rejectUnauthorized: false },
        protocols: ['h3'] as const,
        endpoints: some,
        balance: { policy: 'round-robin' as const },
      },
      dnsServers: [dns.address],
    })
    const transport = createTransport(optionsWith(endpoints.slice(0, 1)))
    running.push({ [Symbol.asyncDispose]: () => transport.close() })
    for (let i = 0; i < 10; i += 1) await (await transport.request(`${ORIGIN}/hello`)).dump()
    transport.configure(optionsWith(endpoints))
    await until(() => endpointsOf(transport).length === 2, 'the second endpoint')
    for (let i = 0; i < 10; i += 1) await (await transport.request(`${ORIGIN}/hello`)).dump()
    expect(
      endpointsOf(transport).map(({ lane, requests, connections }) => [lane, requests, connections]),
    ).toEqual([
      ['h3', 15, 1],
      ['h3', 5, 1],
    ])
  })
})

describe('upgrades beside the lanes', () => {
  const echo = (_request: IncomingMessage, socket: Duplex): void => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  }
  const refuse = (_request: IncomingMessage, socket: Duplex): void => {
    socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n')
  }
  const start = async (onUpgrade = echo) => {
    const server = await startNodeHttp2({ allowHTTP1: true, onUpgrade })
    running.push(server)
    return server
  }
  const to = (servers: readonly { url: string }[], more: OriginOptions = {}): Transport => {
    const endpoints = servers.map(({ url }) => `127.0.0.1:${new URL(url).port}`)
    const defaults: OriginOptions = {
      tls: { rejectUnauthorized: false },
      protocols: ['h2', 'http/1.1'],
      endpoints,
      balance: { policy: 'round-robin' },
      ...more,
    }
    const transport = createTransport({ defaults })
    running.push({ [Symbol.asyncDispose]: () => transport.close() })
    return transport
  }
  const ofUpgrades = (transport: Transport) =>
    endpointsOf(transport).filter(({ lane }) => lane === 'upgrades')

  it('are given their endpoint by the balance, and count against its bounds while they last', async () => {
    const servers = [await start(), await start()]
    const transport = to(servers, { breakers: { maxRequestsPerEndpoint: 2 } })
    const tunnels = []
    for (let i = 0; i < 4; i += 1) tunnels.push(await openTunnel(transport, ORIGIN))
    expect(ofUpgrades(transport).map(({ requests }) => requests)).toEqual([2, 2])
    await expect(openTunnel(transport, ORIGIN)).rejects.toMatchObject({ code: 'MM_BREAKER_OPEN' })
    for (const { tunnel } of tunnels) tunnel.destroy()
  })

  it('leave one of pool.maxConnections for requests, over all endpoints together', async () => {
    const servers = [await start(), await start()]
    const transport = to(servers, { pool: { maxConnections: 3, queueTimeoutMs: 500 } })
    const tunnels = [await openTunnel(transport, ORIGIN), await openTunnel(transport, ORIGIN)]
    await expect(openTunnel(transport, ORIGIN)).rejects.toMatchObject({ code: 'MM_QUEUE_TIMEOUT' })
    expect(await ask(transport)).toBe('hello')
    for (const { tunnel } of tunnels) tunnel.destroy()
  })

  it('go to another endpoint when one cannot be connected to', async () => {
    const servers = [await start(), await start()]
    const transport = to(servers)
    await openTunnel(transport, ORIGIN)
    await servers[0]![Symbol.asyncDispose]()
    running.splice(running.indexOf(servers[0]!), 1)
    for (let i = 0; i < 4; i += 1) (await openTunnel(transport, ORIGIN)).tunnel.destroy()
    expect(ofUpgrades(transport).map(({ isUsed }) => isUsed)).toEqual([false, true])
  })

  it('leave an endpoint that answers them with 503', async () => {
    const transport = to([await start(refuse), await start()])
    for (let i = 0; i < 12; i += 1)
      await openTunnel(transport, ORIGIN).then(
        ({ tunnel }) => tunnel.destroy(),
        () => {},
      )
    expect(ofUpgrades(transport)[0]).toMatchObject({ health: 'ejected', isUsed: false })
    for (let i = 0; i < 6; i += 1) (await openTunnel(transport, ORIGIN)).tunnel.destroy()
  })
})
