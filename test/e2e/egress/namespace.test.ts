import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { enterNewNamespace, requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { type SniffedPacket, sniffPackets } from '../../support/packet-sniffer.ts'
import { findBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireNamespaces()

let stay: Stay | undefined
beforeAll(() => {
  if (missing === undefined) stay = enterNewNamespace()
})
afterAll(() => stay?.[Symbol.dispose]())
beforeEach(ctx => ctx.skip(missing !== undefined, missing))

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync(findBinary('ip') ?? 'ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}

function setSysctl(name: string, value: string): void {
  writeFileSync(`/proc/sys/net/${name}`, value)
}

interface SeeingServer extends AsyncDisposable {
  readonly port: number
  /** Where requests came from. */
  readonly from: string[]
}

/** Keeps its connections open, and says where each request came from. */
async function startServer(address: string): Promise<SeeingServer> {
  const from: string[] = []
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    from.push(request.socket.remoteAddress ?? '')
    response.end('ok')
  })
  await once(server.listen(0, address), 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  return {
    port,
    from,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const EAGER: TransportOptions['defaults'] = {
  retry: { maxRetries: 0 },
  protocols: ['http/1.1'],
  pool: { maxConnections: 100 },
}

/** That many connections at once; the codes of those that failed. */
async function connect(transport: Transport, url: string, connections: number): Promise<string[]> {
  const results = await Promise.allSettled(
    Array.from({ length: connections }, async (_, index) => {
      const response = await transport.request(`${url}/${index}`)
      await response.dump()
    }),
  )
  return results.flatMap(one =>
    one.status === 'rejected' ? [String((one.reason as { code?: unknown }).code)] : [],
  )
}

describe('addresses of a prefix', () => {
  it('are drawn anew for each window, though the machine has none of them', async () => {
    ip('-6', 'route', 'add', 'local', '2001:db8:7::/64', 'dev', 'lo')
    await using server = await startServer('::1')
    await using transport = createTransport({
      egress: { out: { addresses: ['2001:db8:7::/64'], stickyMs: 1 } },
      defaults: { ...EAGER, egress: 'out', pool: { maxRequests: 1 } },
    })
    for (let request = 0; request < 5; request += 1)
      expect(await connect(transport, `http://[::1]:${server.port}`, 1)).toEqual([])
    expect(server.from.every(address => address.startsWith('2001:db8:7:'))).toBe(true)
    expect(new Set(server.from).size).toBeGreaterThan(2)
    expect(transport.stats().pools[0]?.egress?.members).toMatchObject([
      { name: '2001:db8:7::/64', opened: 5 },
    ])
  })

  it('carry HTTP/3 as well', async ctx => {
    const noQuic = requireQuic()
    ctx.skip(noQuic !== undefined, noQuic)
    const authority = await createCertificateAuthority()
    const tls = await authority.issue({ names: ['localhost'] })
    const origin = await startHttp3Origin({ tls, address: '::1' })
    using sniffer = sniffPackets()
    const transport = createTransport({
      egress: { out: { addresses: ['2001:db8:7::/64'] } },
      defaults: {
        ...EAGER,
        egress: 'out',
        protocols: ['h3'],
        endpoints: [`[::1]:${origin.port}`],
        tls: { ca: authority.cert },
      },
    })
    expect(await connect(transport, origin.url, 2)).toEqual([])
    await transport.close()
    await origin.close()
    const sources = new Set(
      sniffer.read().flatMap(packet => (packet.destinationPort === origin.port ? [packet.source] : [])),
    )
    expect([...sources]).toEqual([expect.stringMatching(/^2001:db8:7:/)])
  })
})

describe('local ports', () => {
  beforeEach(ctx => {
    ctx.skip(missing !== undefined, missing)
    setSysctl('ipv4/ip_local_port_range', '40000 40019')
  })

  it('are refused by name beyond their share, with what to tune, and another peer has its own', async () => {
    await using one = await startServer('127.0.0.1')
    await using other = await startServer('127.0.0.1')
    await using transport = createTransport({ limits: { maxPortShare: 0.5 }, defaults: EAGER })
    expect(await connect(transport, `http://127.0.0.1:${one.port}`, 30)).toEqual([])
    expect(await connect(transport, `http://127.0.0.1:${other.port}`, 30)).toEqual([])
    expect(transport.stats().ports).toMatchObject({
      budget: 10,
      pairs: [
        { local: '', remote: `127.0.0.1:${one.port}`, inUse: 10 },
        { local: '', remote: `127.0.0.1:${other.port}`, inUse: 10 },
      ],
    })
    expect(transport.stats().ports.refused).toBeGreaterThan(0)
    await using greedy = createTransport({ limits: { maxPortShare: 0.05 }, defaults: EAGER })
    await expect(greedy.preconnect(`http://127.0.0.1:${one.port}`, { connections: 2 })).rejects.toMatchObject(
      {
        code: 'MM_PORTS_EXHAUSTED',
        message: expect.stringMatching(/from this machine to 127\.0\.0\.1:\d+ are used up: 1 connections/),
      },
    )
  })

  it('of an address are for each destination, and another address of the egress has its own', async () => {
    await using one = await startServer('127.0.0.1')
    await using other = await startServer('127.0.0.1')
    await using transport = createTransport({
      egress: { out: { addresses: ['127.0.0.2', '127.0.0.3'], stickyMs: 0 } },
      limits: { maxPortShare: 0.5 },
      defaults: { ...EAGER, egress: 'out' },
    })
    await transport.preconnect(`http://127.0.0.1:${one.port}`, { connections: 20 })
    await transport.preconnect(`http://127.0.0.1:${other.port}`, { connections: 20 })
    const { pairs } = transport.stats().ports
    expect(pairs.map(({ inUse }) => inUse)).toEqual([10, 10, 10, 10])
    await expect(
      transport.preconnect(`http://127.0.0.1:${one.port}`, { connections: 21 }),
    ).rejects.toMatchObject({
      code: 'MM_PORTS_EXHAUSTED',
      message: expect.stringMatching(
        /from 127\.0\.0\.[23] to 127\.0\.0\.1:\d+ are used up: 10 connections are open, of 20 ports \(limits\.maxPortShare = 0\.5\)/,
      ),
      hint: expect.stringContaining('egress.NAME.addresses'),
    })
  })

  it('that the kernel does not find are refused by the same name', async () => {
    await using server = await startServer('127.0.0.1')
    await using transport = createTransport({ limits: { maxPortShare: 0 }, defaults: EAGER })
    await expect(
      transport.preconnect(`http://127.0.0.1:${server.port}`, { connections: 25 }),
    ).rejects.toMatchObject({ code: 'MM_PORTS_EXHAUSTED' })
    await using bound = createTransport({
      egress: { out: { addresses: ['127.0.0.2'] } },
      limits: { maxPortShare: 0 },
      defaults: { ...EAGER, egress: 'out' },
    })
    await expect(
      bound.preconnect(`http://127.0.0.1:${server.port}`, { connections: 25 }),
    ).rejects.toMatchObject({
      code: 'MM_PORTS_EXHAUSTED',
      message: expect.stringContaining('from 127.0.0.2 (egress out)'),
    })
  })
})

describe('the mark of packets', () => {
  /** What went to the port, each mark once, and those of SYNs. */
  function marksTo(port: number, packets: readonly SniffedPacket[]) {
    const sent = packets.filter(({ destinationPort }) => destinationPort === port)
    const marks = (of: readonly SniffedPacket[]) => [...new Set(of.map(({ dscp }) => dscp))]
    return { all: marks(sent), syn: marks(sent.filter(({ isSyn }) => isSyn)) }
  }

  it.each(['127.0.0.1', '::1'])('is on every packet over TCP from the SYN on: %s', async address => {
    const authority = await createCertificateAuthority()
    const origin = await startHttp2Origin({
      tls: await authority.issue({ names: ['localhost'] }),
      address,
    })
    const host = address === '::1' ? '[::1]' : address
    for (const protocols of [['http/1.1'], ['h2']] as const) {
      using sniffer = sniffPackets()
      const transport = createTransport({
        defaults: {
          ...EAGER,
          protocols,
          socket: { dscp: 'AF41' },
          endpoints: [`${host}:${origin.port}`],
          tls: { ca: authority.cert },
        },
      })
      await connect(transport, origin.url, 1)
      await transport.close()
      expect(marksTo(origin.port, sniffer.read())).toEqual({ all: [34], syn: [34] })
    }
    await origin.close()
  })

  it('is on every packet of HTTP/3', async ctx => {
    const noQuic = requireQuic()
    ctx.skip(noQuic !== undefined, noQuic)
    const authority = await createCertificateAuthority()
    const origin = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }) })
    using sniffer = sniffPackets()
    const transport = createTransport({
      defaults: { ...EAGER, protocols: ['h3'], socket: { dscp: 46 }, tls: { ca: authority.cert } },
    })
    expect(await connect(transport, origin.url, 3)).toEqual([])
    await transport.close()
    await origin.close()
    expect(marksTo(origin.port, sniffer.read()).all).toEqual([46])
  })

  it('is on none where nobody asks for it', async () => {
    await using server = await startServer('127.0.0.1')
    using sniffer = sniffPackets()
    await using transport = createTransport({ defaults: EAGER })
    await connect(transport, `http://127.0.0.1:${server.port}`, 1)
    expect(marksTo(server.port, sniffer.read())).toEqual({ all: [0], syn: [0] })
  })
})
