import { beforeEach, describe, expect, it } from 'vitest'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'

const missing = requireBinary('nginx')

interface World extends AsyncDisposable {
  readonly nginx: Nginx
  readonly connector: TestConnector
  /** What nginx sees of a request to that path. */
  who(path: string): Promise<string>
}

async function start(
  origin: Partial<NonNullable<ServiceConfig['origins']>[string]> = {},
  egress: ServiceConfig['egress'] = {
    two: { addresses: ['127.0.0.2'] },
    three: { addresses: ['127.0.0.3'] },
  },
): Promise<World> {
  const authority = await createCertificateAuthority()
  const nginx = await startNginx({
    authority,
    http2: true,
    extraServer: 'location = /who { default_type text/plain; return 200 $remote_addr; }',
  })
  const rewrite = { path: '/who' }
  const connector = await startConnector({
    egress,
    origins: {
      shop: { url: nginx.url, tls: { ca: authority.cert }, egress: 'two', protocols: ['h2'], ...origin },
    },
    routes: [
      { path: '/usual', origin: 'shop', rewrite },
      { name: 'bulk', path: '/bulk', origin: 'shop', rewrite, egress: 'three' },
      { path: '/same', origin: 'shop', rewrite, egress: 'two' },
    ],
  })
  return {
    nginx,
    connector,
    who: async path => await (await fetch(`${connector.url}${path}`)).text(),
    async [Symbol.asyncDispose]() {
      await connector[Symbol.asyncDispose]()
      await nginx.stop()
    },
  }
}

describe('a route with an egress of its own', () => {
  beforeEach(ctx => ctx.skip(missing !== undefined, missing))

  it('leaves that way, over connections and with figures of its own', async () => {
    await using world = await start()
    const { connector } = world
    expect([await world.who('/usual'), await world.who('/bulk'), await world.who('/usual')]).toEqual([
      '127.0.0.2',
      '127.0.0.3',
      '127.0.0.2',
    ])
    expect(await connector.pool('shop')).toMatchObject({
      origin: world.nginx.url,
      requests: 2,
      opened: { full: 1 },
      egress: { name: 'two', members: [{ name: '127.0.0.2', opened: 1, isCurrent: true }] },
    })
    expect(await connector.pool('shop@three')).toMatchObject({
      origin: `${world.nginx.url} (egress three)`,
      requests: 1,
      opened: { full: 1 },
      egress: { name: 'three', members: [{ name: '127.0.0.3', opened: 1 }] },
    })
    // That of the origin itself, named by a route, is nothing new.
    expect(await world.who('/same')).toBe('127.0.0.2')
    expect((await connector.pool('shop')).requests).toBe(3)
    const metrics = await (await fetch(`${connector.adminUrl}/metrics`)).text()
    for (const [origin, egress, member] of [
      ['shop', 'two', '127.0.0.2'],
      ['shop@three', 'three', '127.0.0.3'],
    ])
      expect(metrics).toContain(
        `middlemile_egress_opened_total{origin="${origin}",egress="${egress}",member="${member}"} 1`,
      )
    expect(metrics).toMatch(
      /middlemile_request_duration_seconds_count\{origin="shop@three",protocol="h2"\} 1/,
    )
    const explained = await (await fetch(`${connector.adminUrl}/origins/shop@three/explain`)).json()
    expect(JSON.stringify(explained)).toContain('IPv4 connections leave from 127.0.0.3 (egress three)')
    expect(await (await fetch(`${connector.adminUrl}/pools`)).json()).toMatchObject({
      ports: { pairs: expect.arrayContaining([expect.objectContaining({ local: '127.0.0.3', inUse: 1 })]) },
    })
  })

  it('counts against the same ceiling of a protected origin', async () => {
    await using world = await start({ protection: { maxConnections: 1 }, protocols: ['http/1.1'] })
    expect([await world.who('/usual'), await world.who('/bulk')]).toEqual(['127.0.0.2', '127.0.0.3'])
    // The idle one of the one way made room for the other.
    const [usual, bulk] = [await world.connector.pool('shop'), await world.connector.pool('shop@three')]
    expect([usual.connections.idle + usual.connections.leased, bulk.protection?.holds]).toEqual([0, 1])
  })

  it('follows a reload, and ends with the egress', async () => {
    await using world = await start()
    await world.who('/bulk')
    const { origins } = await configOf(world)
    const reloaded = await world.connector.service.reload({
      listen: [{ address: '127.0.0.1:0' }],
      egress: { two: { addresses: ['127.0.0.4'] } },
      origins,
      routes: [{ path: '/bulk', origin: 'shop', rewrite: { path: '/who' }, egress: 'two' }],
    })
    expect(reloaded).toMatchObject({ ok: true })
    expect(await world.who('/bulk')).toBe('127.0.0.4')
    expect((await world.connector.pool('shop@two')).opened.full).toBe(1)
    await expect(world.connector.pool('shop@three')).rejects.toThrow('no pool is called shop@three')
  })
})

async function configOf({ nginx }: World): Promise<Pick<ServiceConfig, 'origins'>> {
  return { origins: { shop: { url: nginx.url, protocols: ['h2'], tls: { rejectUnauthorized: false } } } }
}
