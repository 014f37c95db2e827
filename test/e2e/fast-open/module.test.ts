import { beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Protocol } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { fastOpenWorld, giveFastOpenToAll, startFastOpenOrigin } from '../../support/fast-open-world.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { startNginx } from '../../support/nginx.ts'
import { startOpensslEarlyServer } from '../../support/openssl-early-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { addedTo } from '../../support/tcp-counters.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

/** TCP Fast Open under the requests of a transport: the kernel's own, in network namespaces of our own. */

const missing = requireFastOpenNamespace()
const NO_COOKIE = 'the kernel had no cookie for the address, and asked for one'
const CARRIED = expect.stringMatching(/^the SYN carried \d+ bytes$/)

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `TCP Fast Open by %s ${missing ?? ''}`,
  protocol => {
    const protocols = [protocol]

    it('asks for a cookie, then sends the handshake along with the SYN, and resumes', async () => {
      using namespace = enterFastOpenNamespace(3)
      await using origin = await startFastOpenOrigin({ authority })
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      const first = await world.ask('/')
      expect(first.info).toMatchObject({ protocol, resumed: false, tfo: 'fallback', tfoBecause: NO_COOKIE })
      for (let round = 0; round < 3; round++) {
        await world.untilIdleIsClosed()
        const before = namespace.counters()
        const { status, text, info } = await world.ask('/')
        expect([status, text]).toEqual([200, 'here'])
        expect(info).toMatchObject({ protocol, resumed: true, tfo: 'used', tfoBecause: CARRIED, retries: 0 })
        expect(info.attempts).toMatchObject([{ outcome: 'connected' }])
        expect(addedTo(before, namespace.counters())).toMatchObject({
          TCPFastOpenActive: 1,
          TCPFastOpenPassive: 1,
          TCPFastOpenActiveFail: 0,
          TCPSynRetrans: 0,
        })
      }
      expect(world.fastOpens()).toEqual([NO_COOKIE, 'used', 'used', 'used'])
      const opened = world.events.filter(event => event.type === 'connection-opened')
      expect(opened.map(({ connection }) => connection.handshake)).toMatchObject([
        { kind: 'full', tfo: 'fallback' },
        { kind: 'resumed', tfo: 'used', firstFlightBytes: expect.any(Number) },
        { kind: 'resumed', tfo: 'used' },
        { kind: 'resumed', tfo: 'used' },
      ])
      const { known } = await world.explained()
      expect(known).toEqual(
        expect.arrayContaining([
          expect.stringContaining(`TCP Fast Open to 127.0.0.1:${origin.port} was used: the SYN carried`),
          expect.stringMatching(/^TCP Fast Open is used to 127\.0\.0\.1 \(worked \d+ s ago\)$/),
        ]),
      )
    })

    it('says nothing of it where a request found an open connection, or nobody asked for it', async () => {
      using _namespace = enterFastOpenNamespace(3)
      await using origin = await startFastOpenOrigin({ authority })
      const target = { port: origin.port, ca: authority.cert, protocols }
      await using lasting = fastOpenWorld({ ...target, origin: { pool: { idleTimeoutMs: 5_000 } } })
      expect((await lasting.ask('/')).info).toMatchObject({ reused: false, tfo: 'fallback' })
      const again = await lasting.ask('/')
      expect(again.info.reused).toBe(true)
      expect(again.info.tfoBecause).toBeUndefined()
      await using off = fastOpenWorld({ ...target, origin: { tfo: 'off' } })
      const { info } = await off.ask('/')
      expect([info.tfo, info.tfoBecause]).toEqual(['off', undefined])
      expect(off.fastOpens()).toEqual([])
      expect((await off.explained()).known.filter(fact => fact.includes('Fast Open'))).toEqual([])
    })

    it('is left alone after three SYNs whose data the peer has not taken, at no cost to requests', async () => {
      using namespace = enterFastOpenNamespace(3)
      await using origin = await startFastOpenOrigin({ authority })
      // Cookies are by address: the one of the other port is good for nothing here.
      await using without = await startFastOpenOrigin({ authority, queue: 0 })
      await using giver = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      await giver.ask('/')
      await using world = fastOpenWorld({ port: without.port, ca: authority.cert, protocols })
      for (let round = 0; round < 4; round++) {
        expect((await world.ask('/')).text).toBe('here')
        await world.untilIdleIsClosed()
      }
      const notTaken = 'the peer took the connection, but not the data of the SYN'
      const leftAlone = expect.stringMatching(
        /^left alone for another \d+ s after 1 failure: the peer did not take the data of 3 SYNs in a row$/,
      )
      expect(world.fastOpens()).toEqual([notTaken, notTaken, notTaken, leftAlone])
      expect(namespace.counters()).toMatchObject({ TCPFastOpenActiveFail: 3, TCPSynRetrans: 0 })
      expect(without.accepted()).toBe(4)
      expect((await world.explained()).known).toContainEqual(
        expect.stringMatching(/^TCP Fast Open is not used to 127\.0\.0\.1 \(left alone/),
      )
    })

    it('begins anew when the kernel has forgotten its cookies', async () => {
      using namespace = enterFastOpenNamespace(3)
      await using origin = await startFastOpenOrigin({ authority })
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      for (let round = 0; round < 4; round++) {
        if (round === 2) namespace.flushCookies()
        expect((await world.ask('/')).text).toBe('here')
        await world.untilIdleIsClosed()
      }
      expect(world.fastOpens()).toEqual([NO_COOKIE, 'used', NO_COOKIE, 'used'])
      expect(origin.accepted()).toBe(4)
    })

    it.each([0, 2] as const)('connects as always where net.ipv4.tcp_fastopen is %i', async setting => {
      using namespace = enterFastOpenNamespace(setting)
      await using origin = await startFastOpenOrigin({ authority })
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      const because = `net.ipv4.tcp_fastopen is ${setting}, which forbids Fast Open to clients (0x1 is not set)`
      for (let round = 0; round < 2; round++) {
        const { text, info } = await world.ask('/')
        expect(text).toBe('here')
        expect(info).toMatchObject({ tfo: 'fallback', tfoBecause: because })
        await world.untilIdleIsClosed()
      }
      expect((await world.explained()).unavailable).toContainEqual(`TCP Fast Open: ${because}`)
      expect(namespace.counters()).toMatchObject({ TCPFastOpenActive: 0, TCPFastOpenCookieReqd: 0 })
    })

    it('is made without where it was forbidden after it was looked at', async () => {
      using namespace = enterFastOpenNamespace(3)
      await using origin = await startFastOpenOrigin({ authority })
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      await world.ask('/')
      await world.untilIdleIsClosed()
      namespace.setFastOpen(2)
      const { text, info } = await world.ask('/')
      expect([text, info.tfo, info.tfoBecause]).toEqual(['here', 'fallback', 'the kernel did not use it'])
    })

    const missingForEarly = requireOpenssl() ?? requireBinary('nginx')
    it('carries the request itself where there is a ticket for early data, to nginx', async ctx => {
      ctx.skip(missingForEarly !== undefined, missingForEarly)
      using namespace = enterFastOpenNamespace(3)
      await using nginx = await startNginx({
        http2: true,
        tlsListen: 'fastopen=64',
        extraServer: NGINX_EARLY,
      })
      const { ca } = nginx.certificates
      await using world = fastOpenWorld({ port: nginx.tlsPort, ca, protocols, early: true })
      expect((await world.ask('/early')).info).toMatchObject({ earlyData: 'none', tfo: 'fallback' })
      for (let round = 0; round < 3; round++) {
        await world.untilIdleIsClosed()
        const before = namespace.counters()
        const { status, text, info } = await world.ask('/early')
        // On a way of no length the handshake may be complete when nginx looks at the request.
        expect([status, text]).toEqual([200, expect.stringMatching(/^early: 1?\nreused: r\n/)])
        expect(info).toMatchObject({ earlyData: 'accepted', resumed: true, tfo: 'used', tfoBecause: CARRIED })
        expect(addedTo(before, namespace.counters())).toMatchObject({
          TCPFastOpenActive: 1,
          TCPFastOpenPassive: 1,
        })
      }
      expect(world.outcomes()).toEqual(['accepted', 'accepted', 'accepted'])
      expect((await world.explained()).unavailable.filter(line => /Fast Open|early data/.test(line))).toEqual(
        [],
      )
    })

    it('succeeds with haproxy', async ctx => {
      const tool = requireBinary('haproxy') ?? requireOpenssl()
      ctx.skip(tool !== undefined, tool)
      using namespace = enterFastOpenNamespace(3)
      using directory = makeTemporaryDirectory('haproxy-fast-open')
      const { ca, bundleFile } = await writeCertificateFiles(directory.path)
      const port = await freePort()
      await using _haproxy = await startHaproxy({
        extraFrontend: `bind 127.0.0.1:${port} ssl crt ${bundleFile} alpn ${protocol} allow-0rtt tfo`,
      })
      for (const early of [false, true]) {
        namespace.flushCookies()
        await using world = fastOpenWorld({ port, ca, protocols, early })
        for (let round = 0; round < 3; round++) {
          const { status, info } = await world.ask('/204')
          expect([status, info.tfo]).toEqual([204, round === 0 ? 'fallback' : 'used'])
          expect(info.earlyData).toBe(early && round > 0 ? 'accepted' : 'none')
          await world.untilIdleIsClosed()
        }
        expect(world.fastOpens()).toEqual([NO_COOKIE, 'used', 'used'])
      }
    })
  },
)

describe.skipIf(missing !== undefined)(`TCP Fast Open ${missing ?? ''}`, () => {
  it('succeeds with openssl s_server, which gets the request out of the SYN', async ctx => {
    const tool = requireBinary('openssl') ?? requireOpenssl()
    ctx.skip(tool !== undefined, tool)
    using namespace = enterFastOpenNamespace(3)
    giveFastOpenToAll() // OpenSSL 3.0 does not ask for it
    await using server = await startOpensslEarlyServer(['-alpn', 'http/1.1', '-crlf'])
    await using world = fastOpenWorld({
      port: server.port,
      ca: server.certificates.ca,
      protocols: ['http/1.1'],
      early: true,
    })
    for (const [path, tfo, earlyData] of [
      ['/first', 'fallback', 'none'],
      ['/second', 'used', 'accepted'],
      ['/third', 'used', 'accepted'],
    ] as const) {
      const before = namespace.counters()
      const asked = world.ask(path)
      await server.untilOutput(`GET ${path} HTTP/1.1`)
      server.say('HTTP/1.1 200 OK\nconnection: close\ncontent-length: 4\n\nok')
      const { text, info } = await asked
      expect([text, info.tfo, info.earlyData, info.retries]).toEqual(['ok\r\n', tfo, earlyData, 0])
      expect(addedTo(before, namespace.counters()).TCPFastOpenPassive).toBe(tfo === 'used' ? 1 : 0)
      await world.untilIdleIsClosed()
    }
  })

  it('is not used without TLS, where what goes with a SYN could be taken twice', async ctx => {
    const tool = requireBinary('nginx')
    ctx.skip(tool !== undefined, tool)
    using namespace = enterFastOpenNamespace(3)
    await using nginx = await startNginx({ tlsListen: 'fastopen=64' })
    await using transport = createTransport({ defaults: { tfo: 'on', pool: { idleTimeoutMs: 30 } } })
    for (let round = 0; round < 2; round++) {
      const response = await transport.request(`http://127.0.0.1:${nginx.plainPort}/204`)
      await response.dump()
      expect([response.status, response.info.tfo]).toEqual([204, 'off'])
      await expect.poll(() => transport.stats().totalConnections).toBe(0)
    }
    expect(namespace.counters()).toMatchObject({ TCPFastOpenActive: 0, TCPFastOpenCookieReqd: 0 })
  })

  it('has a cookie of its own for each family of addresses', async () => {
    using namespace = enterFastOpenNamespace(3)
    await using origin = await startFastOpenOrigin({ authority, host: '::1', names: ['localhost'] })
    await using world = fastOpenWorld({
      port: origin.port,
      ca: authority.cert,
      protocols: ['http/1.1'],
      origin: { endpoints: [`[::1]:${origin.port}`] },
    })
    expect((await world.ask('/')).info.tfoBecause).toBe(NO_COOKIE)
    await world.untilIdleIsClosed()
    expect((await world.ask('/')).info).toMatchObject({ tfo: 'used', remoteAddress: `[::1]:${origin.port}` })
    expect(namespace.counters().TCPFastOpenPassive).toBe(1)
  })
})
