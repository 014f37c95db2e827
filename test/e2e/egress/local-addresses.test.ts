import { setTimeout } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Transport,
  type TransportOptions,
} from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const noNginx = requireBinary('nginx')

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

/** nginx that answers with the address that it sees. */
function startSeeing(): Promise<Nginx> {
  const extraServer = 'location = /who { default_type text/plain; return 200 $remote_addr; }'
  return startNginx({ authority, http2: true, extraServer })
}

function leavingFrom(
  addresses: readonly string[],
  { stickyMs = 0, ...defaults }: OriginOptions & { stickyMs?: number } = {},
): Transport {
  return createTransport({
    egress: { out: { addresses, stickyMs } },
    defaults: { egress: 'out', tls: { ca: authority.cert }, retry: { maxRetries: 0 }, ...defaults },
  })
}

async function who(transport: Transport, url: string): Promise<string> {
  return await (await transport.request(`${url}/who`)).text()
}

describe.skipIf(noNginx !== undefined)('connections of an egress with local addresses', () => {
  it.each([
    ['http/1.1 in cleartext', 'http/1.1', (nginx: Nginx) => nginx.plainUrl],
    ['http/1.1 over TLS', 'http/1.1', (nginx: Nginx) => nginx.url],
    ['h2', 'h2', (nginx: Nginx) => nginx.url],
  ] as const)('are seen by nginx as coming from there: %s', async (_name, protocol, urlOf) => {
    await using nginx = await startSeeing()
    await using transport = leavingFrom(['127.0.0.2'], { protocols: [protocol] })
    const url = urlOf(nginx)
    const { plan, known } = await transport.explain(url)
    expect(await who(transport, url)).toBe('127.0.0.2')
    expect(plan[0]?.because).toMatch(/^.*from an address of egress out/)
    expect(known).toContainEqual({
      fact: 'IPv4 connections leave through egress out',
      evidence: '1 addresses, none chosen yet',
    })
    expect((await transport.explain(url)).known).toContainEqual({
      fact: 'IPv4 connections leave from 127.0.0.2 (egress out)',
      evidence: 'until it fails',
    })
    expect(transport.stats()).toMatchObject({
      pools: [{ egress: { name: 'out', kind: 'addresses', members: [{ name: '127.0.0.2', opened: 1 }] } }],
      ports: { pairs: [{ transport: 'tcp', local: '127.0.0.2', inUse: 1 }] },
    })
    await transport.close()
    await expect.poll(() => transport.stats().ports.pairs).toEqual([])
  })

  it('leave from the next address when the window is over; open ones stay', async () => {
    await using nginx = await startSeeing()
    await using transport = leavingFrom(['127.0.0.2', '127.0.0.3'], {
      stickyMs: 300,
      protocols: ['http/1.1'],
    })
    const first = await who(transport, nginx.plainUrl)
    await setTimeout(400)
    expect(await who(transport, nginx.plainUrl)).toBe(first)
    await nginx.restart()
    const next = await who(transport, nginx.plainUrl)
    expect([first, next].sort()).toEqual(['127.0.0.2', '127.0.0.3'])
  })

  it('leave from another address where this machine does not have one, and fail by name where it has none', async () => {
    await using nginx = await startSeeing()
    await using transport = leavingFrom(['192.0.2.99', '127.0.0.2'], { pool: { maxRequests: 1 } })
    expect(new Set([await who(transport, nginx.url), await who(transport, nginx.url)])).toEqual(
      new Set(['127.0.0.2']),
    )
    await using lost = leavingFrom(['192.0.2.98', '192.0.2.99'])
    await expect(who(lost, nginx.url)).rejects.toMatchObject({
      code: 'MM_LOCAL_ADDRESS',
      message: expect.stringMatching(/from 192\.0\.2\.9\d \(egress out\): this machine does not have that/),
    })
    expect(lost.stats().pools[0]?.egress?.members).toEqual(
      ['192.0.2.98', '192.0.2.99'].map(name =>
        expect.objectContaining({ name, opened: 0, failed: { MM_LOCAL_ADDRESS: expect.any(Number) } }),
      ),
    )
    await expect.poll(() => lost.stats().ports.pairs).toEqual([])
  })

  it('show no ticket that came to another address', async () => {
    await using nginx = await startSeeing()
    const kinds: string[] = []
    const options = (egress: string): TransportOptions => ({
      egress: { two: { addresses: ['127.0.0.2'] }, three: { addresses: ['127.0.0.3'] } },
      defaults: { egress, tls: { ca: authority.cert }, pool: { maxRequests: 1 }, protocols: ['http/1.1'] },
      observer: event => {
        if (event.type === 'connection-opened') kinds.push(event.connection.handshake.kind)
      },
    })
    await using transport = createTransport(options('two'))
    for (const egress of ['two', 'two', 'three', 'three', 'two']) {
      transport.configure(options(egress))
      await who(transport, nginx.url)
    }
    expect(kinds).toEqual(['full', 'resumed', 'full', 'resumed', 'resumed'])
  })

  it('show no ticket that came to another address of the same egress', async () => {
    await using nginx = await startSeeing()
    const kinds = new Map<string, string[]>()
    let kind = ''
    const transport = createTransport({
      observer: event => {
        if (event.type === 'connection-opened') kind = event.connection.handshake.kind
      },
      egress: { out: { addresses: ['127.0.0.2', '127.0.0.3'], stickyMs: 1 } },
      defaults: {
        egress: 'out',
        tls: { ca: authority.cert },
        pool: { maxRequests: 1 },
        protocols: ['http/1.1'],
      },
    })
    for (let request = 0; request < 6; request += 1) {
      const address = await who(transport, nginx.url)
      kinds.set(address, [...(kinds.get(address) ?? []), kind])
      await setTimeout(5)
    }
    await transport.close()
    expect([...kinds.keys()].sort()).toEqual(['127.0.0.2', '127.0.0.3'])
    for (const [first, ...others] of kinds.values()) {
      expect(first).toBe('full')
      expect(new Set(others)).toEqual(new Set(['resumed']))
    }
  })

  it('leave out what the origin has of another family, and fail by name where it has nothing else', async () => {
    await using nginx = await startSeeing()
    const { plainPort } = nginx
    await using transport = createTransport({
      egress: { out: { addresses: ['127.0.0.2'] } },
      origins: {
        'http://both.test': { egress: 'out', endpoints: [`[::1]:${plainPort}`, `127.0.0.1:${plainPort}`] },
        'http://six.test': { egress: 'out', endpoints: [`[::1]:${plainPort}`] },
      },
    })
    expect(await who(transport, 'http://both.test')).toBe('127.0.0.2')
    const { plan, known } = await transport.explain('http://both.test')
    expect(plan.map(({ endpoint }) => endpoint)).toEqual([`127.0.0.1:${plainPort}`])
    expect(known).toContainEqual({
      fact: 'the IPv6 addresses of the origin are left out',
      evidence: 'egress out has no IPv6 address to leave from',
    })
    await expect(who(transport, 'http://six.test')).rejects.toMatchObject({
      code: 'MM_LOCAL_ADDRESS',
      message: 'six.test has IPv6 addresses only, and egress out has none to leave from',
    })
    expect((await transport.explain('http://six.test')).known).toContainEqual({
      fact: 'the addresses of tcp cannot be found now',
      evidence: expect.stringContaining('MM_LOCAL_ADDRESS'),
    })
  })

  it('are probed from there as well', async () => {
    await using nginx = await startSeeing()
    await using transport = leavingFrom(['192.0.2.99'])
    const report = await transport.probe(nginx.url)
    expect(JSON.stringify(report)).toContain('from a local address that this machine does not have')
    await using here = leavingFrom(['127.0.0.2'])
    expect(JSON.stringify(await here.probe(nginx.url))).not.toContain('a local address')
  })
})

it('HTTP/3 leaves from a local address, and from the next one where the machine does not have it', async ctx => {
  const missing = requireQuic()
  ctx.skip(missing !== undefined, missing)
  const origin = await startHttp3Origin({
    tls: await authority.issue({ names: ['localhost'] }),
    allowsMigration: true,
  })
  const transport = leavingFrom(['192.0.2.99', '127.0.0.2'], {
    protocols: ['h3'],
    trusted: true,
    pool: { maxRequests: 2 },
  })
  try {
    for (let request = 0; request < 4; request += 1) {
      const response = await transport.request(`${origin.url}/bytes/10`)
      expect([response.info.protocol, (await response.bytes()).length]).toEqual(['h3', 10])
    }
    expect(transport.stats()).toMatchObject({
      pools: [{ opened: { full: 1, resumed: 1 }, egress: { members: [{ opened: 0 }, { opened: 2 }] } }],
      ports: { pairs: [{ transport: 'udp', local: '127.0.0.2', remote: '' }] },
    })
    // A move keeps the address; another one is refused.
    await (await transport.request(`${origin.url}/bytes/10`)).dump()
    const [other] = await transport.migrate(origin.url, { address: '127.0.0.3' })
    expect(other?.report?.because ?? other?.because).toContain(
      'the connection leaves from 127.0.0.2, as its egress says',
    )
  } finally {
    await transport.close()
    await origin.close()
  }
  await expect.poll(() => transport.stats().ports.pairs).toEqual([])
})

it('HTTP/3 shows no ticket that came to another address', async ctx => {
  const missing = requireQuic()
  ctx.skip(missing !== undefined, missing)
  const origin = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }) })
  const transport = leavingFrom(['127.0.0.2', '127.0.0.3'], {
    stickyMs: 1,
    protocols: ['h3'],
    pool: { maxRequests: 1 },
  })
  for (let request = 0; request < 6; request += 1) {
    await (await transport.request(`${origin.url}/bytes/10`)).dump()
    await setTimeout(50)
  }
  const [pool] = transport.stats().pools
  // One full handshake from each address, and its own tickets from then on.
  expect(pool?.opened).toMatchObject({ full: 2, resumed: 4 })
  expect(pool?.egress?.members.map(({ opened }) => opened)).toEqual([3, 3])
  await transport.close()
  await origin.close()
})
