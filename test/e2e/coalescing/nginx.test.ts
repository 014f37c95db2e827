import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createTransport, type TransportEvent, type TransportOptions } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { type NginxOptions, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const noNginx = requireBinary('nginx')

/** Other lanes are not tried: their connections would be counted. */
const DEFAULTS = { protocols: ['h2', 'http/1.1'] as const, select: { exploreShare: 0 } }

/**
 * nginx with a.test and b.test on one certificate, c.test on another one, all at one address and port. `strict`:
 * it answers 421 to a name that was not the one of the handshake.
 */
async function startOrigins(options: NginxOptions & { strict?: boolean } = {}) {
  const authority = await createCertificateAuthority()
  const directory = makeTemporaryDirectory('other-certificate')
  const other = await writeCertificateFiles(directory.path, authority, ['c.test'])
  const nginx = await startNginx({
    authority,
    names: ['a.test', 'b.test'],
    http2: true,
    tlsListen: 'default_server',
    ...options,
    extraServer: options.strict === true ? 'if ($is_misdirected) { return 421; }' : '',
    extraHttp: `
      map "$https $ssl_server_name $host" $is_misdirected { default 0; "~^on (\\S+) (?!\\1$)" 1; }
      server {
        listen 127.0.0.1:TLS_PORT ssl http2;
        server_name c.test;
        ssl_certificate ${other.certFile};
        ssl_certificate_key ${other.keyFile};
        location / { return 200 "c\\n"; }
      }`,
  })
  const of = (name: string): string => `https://${name}:${nginx.tlsPort}`
  const resolve = Object.fromEntries(
    ['a.test', 'b.test', 'c.test'].map(name => [`${name}:${nginx.tlsPort}`, '127.0.0.1']),
  )
  const events: TransportEvent[] = []
  const transport = (over: TransportOptions = {}) =>
    createTransport({
      resolve,
      observer: event => void events.push(event),
      ...over,
      defaults: { ...DEFAULTS, tls: { ca: authority.cert }, ...over.defaults },
    })
  return {
    nginx,
    of,
    transport,
    authority,
    events,
    async [Symbol.asyncDispose]() {
      await nginx.stop()
      directory.remove()
    },
  }
}

describe.skipIf(noNginx !== undefined)('origins at one address and port of nginx', () => {
  it('share a connection where its certificate covers both, and nothing else does', async () => {
    await using world = await startOrigins()
    const { of, nginx, events } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/reflect`)
    const second = await transport.request(`${of('b.test')}/reflect`)
    const [a, b] = [await first.text(), await second.text()]
    expect(second.info.connectionId).toBe(first.info.connectionId)
    expect(second.info.reused).toBe(true)
    expect(a).toContain(`host: a.test:${nginx.tlsPort}\n`)
    expect(b).toContain(`host: b.test:${nginx.tlsPort}\n`)
    expect(b).toContain('tls-server-name: a.test\n')
    expect((await nginx.counters()).connections).toBe(1)
    expect(events.filter(({ type }) => type === 'connection-opened')).toHaveLength(1)
    expect(events.filter(({ type }) => type === 'connection-joined')).toHaveLength(1)
    const [owner, guest] = transport.stats().pools
    expect(owner).toMatchObject({ coalesced: 0, connections: { idle: 1 }, requests: 1 })
    expect(guest).toMatchObject({ coalesced: 1, connections: { idle: 0 }, requests: 1, reuseRatio: 1 })
    expect(guest?.handshakes.avoided.coalescing.count).toBe(1)
    expect(guest?.handshakes.avoided.coalescing.seconds).toBeGreaterThan(0)
    expect(transport.stats().totalConnections).toBe(1)
  })

  it('have connections of their own where the certificate does not cover them, and say why', async () => {
    await using world = await startOrigins()
    const { of, nginx, events } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/1k`)
    const third = await transport.request(`${of('c.test')}/`)
    await first.bytes()
    expect(await third.text()).toBe('c\n')
    expect(third.info.connectionId).not.toBe(first.info.connectionId)
    expect((await nginx.counters()).connections).toBe(2)
    expect(events.filter(({ type }) => type === 'coalescing-refused')).toMatchObject([
      { origin: { key: of('c.test') }, owner: of('a.test'), reason: 'certificate' },
    ])
    const { known } = await transport.explain(of('c.test'))
    expect(known).toContainEqual({
      fact: `a connection of ${of('a.test')} is not used (certificate)`,
      evidence: `the certificate of ${of('a.test')} does not cover c.test`,
    })
  })

  it('accept a certificate for more names where the operator of its owner allows it', async () => {
    await using world = await startOrigins()
    const { of, nginx } = world
    await using transport = world.transport({ origins: { [of('a.test')]: { certificateNames: ['c.test'] } } })
    const first = await transport.request(`${of('a.test')}/reflect`)
    await first.text()
    const third = await transport.request(`${of('c.test')}/`)
    expect(await third.text()).toBe('c\n')
    expect(third.info.connectionId).toBe(first.info.connectionId)
    expect((await nginx.counters()).connections).toBe(1)
    const { known } = await transport.explain(of('a.test'))
    expect(known.map(({ fact }) => fact)).toContainEqual(
      expect.stringMatching(/^h2#\d+ carries requests of https:\/\/c\.test:\d+ as well$/),
    )
  })

  it.each(['a.test', 'b.test'])('share nothing when %s says never', async name => {
    await using world = await startOrigins()
    const { of, nginx, events } = world
    await using transport = world.transport({ origins: { [of(name)]: { coalesce: 'never' } } })
    for (const host of ['a.test', 'b.test']) await (await transport.request(`${of(host)}/1k`)).bytes()
    expect((await nginx.counters()).connections).toBe(2)
    expect(events).toContainEqual(expect.objectContaining({ type: 'coalescing-refused', reason: 'never' }))
  })

  it('share nothing across authorities, client certificates, names in SNI, or where nobody is verified', async () => {
    const another = await createCertificateAuthority()
    const client = await another.issue({ names: ['client.test'], clientAuth: true })
    await using world = await startOrigins()
    const { of, nginx, authority, events } = world
    const ca = authority.cert
    const others = [
      { ca: [authority.cert, another.cert] },
      { ca, cert: client.cert, key: client.key },
      { ca, serverName: 'b.test' },
      { ca, rejectUnauthorized: false },
      { ca, minVersion: 'TLSv1.3' as const },
    ]
    for (const tls of others) {
      const before = (await nginx.counters()).connections
      await using transport = world.transport({ origins: { [of('b.test')]: { tls } } })
      for (const host of ['a.test', 'b.test']) await (await transport.request(`${of(host)}/1k`)).bytes()
      expect((await nginx.counters()).connections - before, JSON.stringify(Object.keys(tls))).toBe(2)
    }
    const refused = events.filter(event => event.type === 'coalescing-refused')
    expect(refused.map(({ reason }) => reason)).toEqual(others.map(() => 'trust'))
  })

  it('share a resumed connection by the certificate of the full handshake', async () => {
    await using world = await startOrigins()
    const { of, nginx } = world
    await using transport = world.transport({ defaults: { pool: { idleTimeoutMs: 50 } } })
    await (await transport.request(`${of('a.test')}/1k`)).bytes()
    await expect.poll(() => transport.stats().totalConnections).toBe(0)
    const resumed = await transport.request(`${of('a.test')}/slow/100k`)
    const shared = await transport.request(`${of('b.test')}/1k`)
    expect(resumed.info.resumed).toBe(true)
    expect(shared.info.connectionId).toBe(resumed.info.connectionId)
    await Promise.all([shared.bytes(), resumed.bytes()])
    expect((await nginx.counters()).connections).toBe(2)
    const other = await transport.request(`${of('c.test')}/`)
    expect(other.info.connectionId).not.toBe(resumed.info.connectionId)
    await other.text()
  })

  it('make one connection together when both need one at once and the last one covered both', async () => {
    await using world = await startOrigins()
    const { of, nginx, events } = world
    await using transport = world.transport({ defaults: { pool: { idleTimeoutMs: 50 } } })
    const both = async () => {
      const names = ['a.test', 'b.test', 'a.test', 'b.test']
      const responses = await Promise.all(names.map(name => transport.request(`${of(name)}/1k`)))
      await Promise.all(responses.map(response => response.bytes()))
      return new Set(responses.map(({ info }) => info.connectionId)).size
    }
    // Nobody knows the certificate at first.
    await (await transport.request(`${of('a.test')}/1k`)).bytes()
    for (let round = 1; round <= 3; round += 1) {
      await expect.poll(() => transport.stats().totalConnections).toBe(0)
      expect(await both()).toBe(1)
      expect((await nginx.counters()).connections).toBe(1 + round)
    }
    expect(events.filter(({ type }) => type === 'connection-joined')).toHaveLength(3)
    // c.test has another certificate: it waits for nobody.
    await expect.poll(() => transport.stats().totalConnections).toBe(0)
    const [first, third] = await Promise.all(['a.test', 'c.test'].map(name => transport.request(of(name))))
    await Promise.all([first?.bytes(), third?.bytes()])
    expect((await nginx.counters()).connections).toBe(6)
  })

  it('are sent again on a connection of their own after a 421, whatever the method, once', async () => {
    await using world = await startOrigins({ strict: true })
    const { of, nginx, events } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/1k`)
    await first.bytes()
    const second = await transport.request(`${of('b.test')}/sink`, { method: 'POST', body: 'x'.repeat(1000) })
    expect([second.status, await second.text()]).toEqual([200, 'ok\n'])
    expect(second.info).toMatchObject({ retries: 1 })
    expect(second.info.connectionId).not.toBe(first.info.connectionId)
    const third = await transport.request(`${of('b.test')}/reflect`)
    expect(await third.text()).toContain('tls-server-name: b.test\n')
    expect(third.info.connectionId).toBe(second.info.connectionId)
    expect((await nginx.counters()).connections).toBe(2)
    const retried = events.filter(event => event.type === 'exchange-retried')
    expect(retried.map(({ reason }) => reason)).toEqual(['misdirected'])
    expect(events).toContainEqual(expect.objectContaining({ type: 'connection-left', reason: 'misdirected' }))
    expect(transport.stats().pools[1]).toMatchObject({ coalesced: 0, connections: { idle: 1 } })
    const { known } = await transport.explain(of('b.test'))
    expect(known).toContainEqual(expect.objectContaining({ fact: 'no connection of another origin is used' }))
  })

  it('answer 421 to the caller where the body cannot be sent again, and keep it in mind', async () => {
    await using world = await startOrigins({ strict: true })
    const { of } = world
    await using transport = world.transport()
    await (await transport.request(`${of('a.test')}/1k`)).bytes()
    const body = Readable.from([Buffer.from('once')])
    const second = await transport.request(`${of('b.test')}/sink`, { method: 'POST', body })
    expect(second.status).toBe(421)
    await second.bytes()
    const third = await transport.request(`${of('b.test')}/1k`)
    expect(third.status).toBe(200)
    expect(third.info.retries).toBe(0)
    await third.bytes()
  })

  it('open no more streams together than the origin allows, and all are served', async () => {
    await using world = await startOrigins({ http2MaxConcurrentStreams: 4 })
    const { of, nginx, events } = world
    await using transport = world.transport({ defaults: { pool: { maxConnections: 1 } } })
    await (await transport.request(`${of('a.test')}/1k`)).bytes()
    await (await transport.request(`${of('b.test')}/1k`)).bytes()
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const response = await transport.request(`${of(index % 2 === 0 ? 'a.test' : 'b.test')}/1k`)
        await response.bytes()
        return response.status
      }),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    // b.test may open one of its own beside the shared one.
    expect((await nginx.counters()).connections).toBeLessThanOrEqual(2)
    expect(events.filter(({ type }) => type === 'exchange-retried')).toEqual([])
  })

  it('go on with what they have when the owner is idle, drains or is configured anew, and dial then', async () => {
    await using world = await startOrigins({ slowBytesPerSecond: 20_000 })
    const { of, nginx, authority } = world
    await using transport = world.transport({ defaults: { pool: { idleTimeoutMs: 200 } } })
    await (await transport.request(`${of('a.test')}/1k`)).bytes()
    const slow = await transport.request(`${of('b.test')}/slow/100k`)
    const bytes = slow.bytes()
    await new Promise(resolve => setTimeout(resolve, 500)) // the owner's idle timeout
    expect(transport.stats().totalConnections).toBe(1)
    expect((await nginx.counters()).connections).toBe(1)
    transport.configure({
      resolve: { [`b.test:${nginx.tlsPort}`]: '127.0.0.1' },
      defaults: { ...DEFAULTS, pool: { idleTimeoutMs: 200 }, tls: { ca: authority.cert } },
    })
    expect((await bytes).length).toBe(102_400)
    const later = await transport.request(`${of('b.test')}/reflect`)
    expect(await later.text()).toContain('tls-server-name: b.test\n')
    expect(later.info.connectionId).not.toBe(slow.info.connectionId)
  })
})
