import { once } from 'node:events'
import { createServer, connect as openTcp } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { bodyOf } from '../../support/body-files.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { useEarlyWorld } from '../../support/early-origin.ts'
import { earlyWorld } from '../../support/early-world.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { parseReflection } from '../../support/nginx.ts'
import { startOpensslEarlyServer } from '../../support/openssl-early-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { until } from '../../support/until.ts'

const missing = requireOpenssl() ?? requireBinary('nginx')

/** What the transport makes of early data that the origin takes, and of requests that may not leave in it. */
describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `early data over TCP by %s${missing === undefined ? '' : ` (${missing})`}`,
  protocol => {
    const isHttp2 = protocol === 'h2'
    const home = useEarlyWorld(protocol)

    /**
     * There is a ticket that nobody has used, and no connection. The way is long enough from now on for what
     * is early to be answered early.
     */
    const warmUp = async (path = '/early'): Promise<void> => {
      expect((await home.world.ask(path)).info).toMatchObject({ resumed: false, earlyData: 'none' })
      await home.world.untilIdleIsClosed()
      home.way.delayMs = 20
    }

    it('leaves in it on the second connection, and is answered before the handshake is complete', async () => {
      home.connect()
      const first = await home.world.ask('/early')
      expect(first.info).toMatchObject({ protocol, resumed: false, earlyData: 'none', retries: 0 })
      expect(parseReflection(first.text)).toMatchObject({ early: '', reused: '.' })
      home.way.delayMs = 20
      for (let round = 0; round < 3; round++) {
        await home.world.untilIdleIsClosed()
        const { info, text, status } = await home.world.ask('/early')
        expect({ status, ...parseReflection(text) }).toEqual({
          status: 200,
          early: '1',
          reused: 'r',
          marked: '',
        })
        expect(info).toMatchObject({
          protocol,
          reused: false,
          resumed: true,
          earlyData: 'accepted',
          retries: 0,
        })
      }
      expect(home.world.outcomes()).toEqual(['accepted', 'accepted', 'accepted'])
      expect(home.way.offered.map(offered => offered?.isEarly)).toEqual([undefined, true, true, true])
    })

    it('goes on over the connection when the handshake is complete, not early any more', async () => {
      home.connect({ pool: { idleTimeoutMs: 200 } })
      await warmUp()
      const early = await home.world.ask('/early')
      const next = await home.world.ask('/early')
      expect([early, next].map(({ info }) => info.earlyData)).toEqual(['accepted', 'none'])
      expect(parseReflection(next.text)).toMatchObject({ early: '', reused: 'r' })
      expect(next.info).toMatchObject({ reused: true, connectionId: early.info.connectionId })
    })

    it('holds back what may not leave in it until the handshake is complete', async () => {
      home.connect()
      await warmUp()
      const [early, posted, notAsked] = await Promise.all([
        home.world.ask('/early'),
        home.world.ask('/early', { method: 'POST', body: 'x' }),
        home.world.ask('/early', { earlyData: false }),
      ])
      expect([early, posted, notAsked].map(({ info }) => info.earlyData)).toEqual([
        'accepted',
        'none',
        'none',
      ])
      expect([early, posted, notAsked].map(({ text }) => parseReflection(text)['early'])).toEqual([
        '1',
        '',
        '',
      ])
      // Over HTTP/1.1 what was answered early leaves a connection that is used at once.
      const ids = new Set([early, posted, notAsked].map(({ info }) => info.connectionId))
      if (isHttp2) expect(ids.size).toBe(1)
      else expect(ids.size).toBeGreaterThan(1)
    })

    it('holds it back too when it comes first, and one that may not come first asks for no early data', async () => {
      home.connect({ pool: { idleTimeoutMs: 30, maxConnections: 1 } })
      await warmUp()
      const [posted, early] = await Promise.all([
        home.world.ask('/early', { method: 'POST', body: 'x' }),
        home.world.ask('/early'),
      ])
      expect([posted, early].map(({ text }) => parseReflection(text)['early'])).toEqual([
        '',
        isHttp2 ? '1' : '',
      ])
      expect([posted, early].map(({ info }) => info.earlyData)).toEqual([
        'none',
        isHttp2 ? 'accepted' : 'none',
      ])
      expect(posted.info.connectionId).toBe(early.info.connectionId)
      // HTTP/1.1 had nothing to say that may be early.
      expect(home.world.outcomes()).toEqual([isHttp2 ? 'accepted' : 'unused'])
      expect(home.world.retries()).toEqual([])
      await home.world.untilIdleIsClosed()
      const alone = await home.world.ask('/early', { method: 'PUT', body: 'x' })
      expect(alone.info).toMatchObject({ resumed: true, earlyData: 'none' })
      expect(home.way.offered.map(offered => offered?.isEarly)).toEqual([undefined, isHttp2, false])
    })

    it('takes a request with a body to the end of its upload behind the handshake', async () => {
      home.connect()
      await warmUp()
      const body = Buffer.alloc(300_000, 'b')
      const [early, upload] = await Promise.all([
        home.world.ask('/early'),
        home.world.ask('/upload/held', { method: 'PUT', body }),
      ])
      expect(early.info.earlyData).toBe('accepted')
      expect([upload.status, upload.info.earlyData]).toEqual([201, 'none'])
      const back = await home.world.transport.request(`${home.world.url}/upload/held`)
      expect((await back.bytes()).equals(body)).toBe(true)
      await home.world.ask('/upload/held', { method: 'DELETE' })
    })

    it('takes requests that wait for one connection along', async () => {
      home.connect({ pool: { idleTimeoutMs: 30, maxConnections: 1 } })
      await warmUp()
      const answers = await Promise.all(Array.from({ length: 8 }, () => home.world.ask('/early')))
      const early = answers.filter(({ text }) => parseReflection(text)['early'] === '1')
      // HTTP/1.1 carries one at a time.
      expect(early).toHaveLength(isHttp2 ? 8 : 1)
      expect(answers.filter(({ info }) => info.earlyData === 'accepted')).toHaveLength(early.length)
      expect(new Set(answers.map(({ info }) => info.connectionId)).size).toBe(1)
      expect(home.way.accepted).toBe(2)
    })

    it('is asked for by fetch and by the dispatcher too', async () => {
      home.connect({ earlyData: 'off' })
      await warmUp()
      const off = await home.world.ask('/early')
      expect(off.info).toMatchObject({ resumed: true, earlyData: 'none' })
      await home.world.untilIdleIsClosed()
      const fetched = await home.world.transport.fetch(`${home.world.url}/early`, { earlyData: true })
      expect(parseReflection(await fetched.text())['early']).toBe('1')
      await home.world.untilIdleIsClosed()
      const dispatcher = home.world.transport.dispatcher({ earlyData: true })
      const response = await fetch(`${home.world.url}/early`, { dispatcher })
      expect(parseReflection(await response.text())['early']).toBe('1')
    })

    it('is reported, and counted by what became of it', async () => {
      home.connect()
      await warmUp()
      await home.world.ask('/early')
      expect(home.world.outcomes()).toEqual(['accepted'])
      expect(home.world.events.findLast(({ type }) => type === 'exchange-ended')).toMatchObject({
        earlyData: 'accepted',
        protocol,
      })
      const opened = home.world.events.filter(event => event.type === 'connection-opened')
      expect(opened.map(({ connection }) => connection.handshake)).toMatchObject([
        { kind: 'full', earlyData: 'none', tlsVersion: 'TLSv1.3', tfo: 'off' },
        { kind: 'early_data', earlyData: 'accepted', tlsVersion: 'TLSv1.3', tfo: 'off' },
      ])
      const { handshake } = opened[1]!.connection
      // Two ways of 20 ms in each direction of the relay.
      expect(handshake.timings.tlsMs).toBeGreaterThan(35)
      expect(handshake.firstFlightBytes).toBeGreaterThan(350)
      const [pool] = home.world.transport.stats().pools
      expect(pool).toMatchObject({ opened: { full: 1, resumed: 0, earlyData: 1 } })
    })

    it('carries no request that is larger than what the ticket allows, and that one still arrives', async () => {
      home.connect()
      await warmUp()
      // nginx takes 16 KB of early data, and 32 KB of fields.
      const headers = Object.fromEntries(
        Array.from({ length: 6 }, (_, index) => [`x-large-${index}`, `${index}${'~'.repeat(3_000)}`]),
      )
      const { status, info, text } = await home.world.ask('/early', { headers })
      expect([status, info.earlyData, info.retries]).toEqual([200, 'none', 0])
      expect(parseReflection(text)['early']).toBe('')
      expect(home.world.outcomes()).toEqual(['unused'])
      expect(home.world.transport.stats().pools[0]?.opened).toMatchObject({
        full: 1,
        resumed: 1,
        earlyData: 0,
      })
    })

    it('sends again behind the handshake what the origin answers 425', async () => {
      home.connect()
      await warmUp()
      const { status, info, text } = await home.world.ask('/too-early')
      expect({ status, ...parseReflection(text) }).toEqual({ status: 200, early: '', marked: '' })
      expect(info).toMatchObject({ earlyData: 'none', retries: 1 })
      expect(home.world.retries()).toEqual(['too-early'])
      expect(home.world.outcomes()).toEqual(['accepted'])
    })

    it('hands a 425 on that is no answer to early data, or to a request that had come early', async () => {
      home.connect()
      await warmUp()
      expect((await home.world.ask('/always-too-early', { earlyData: false })).status).toBe(425)
      await home.world.untilIdleIsClosed()
      const marked = await home.world.ask('/too-early', { headers: { 'early-data': '1' } })
      expect([marked.status, marked.info.earlyData]).toEqual([425, 'accepted'])
      await home.world.untilIdleIsClosed()
      // Both tries: the second one was not early, so that its 425 stands.
      expect((await home.world.ask('/always-too-early')).status).toBe(425)
      expect(home.world.retries()).toEqual(['too-early'])
    })

    it('brings large answers whole, to readers that are fast and to one that is slow', async () => {
      home.connect()
      await warmUp('/1k')
      const [fast, slow] = await Promise.all(
        [1, 2].map(() => home.world.transport.request(`${home.world.url}/10m`)),
      )
      expect([fast?.info.earlyData, slow?.info.earlyData]).toEqual(['accepted', 'accepted'])
      const [bytes, pieces] = await Promise.all([
        fast?.bytes(),
        (async () => {
          const read: Buffer[] = []
          for await (const chunk of slow?.body ?? []) {
            read.push(chunk as Buffer) // as: nobody has set an encoding
            if (read.length % 16 === 0) await new Promise(resolve => setTimeout(resolve, 1))
          }
          return Buffer.concat(read)
        })(),
      ])
      const expected = bodyOf(10 * 1024 * 1024)
      expect(bytes?.equals(expected)).toBe(true)
      expect(pieces.equals(expected)).toBe(true)
    })

    it('keeps its ticket for the address that takes the connect', async () => {
      const second = createServer(client => {
        const upstream = openTcp(home.nginx.tlsPort, '127.0.0.1')
        for (const socket of [client, upstream]) socket.on('error', () => {}) // it ends as it likes
        client.pipe(upstream).pipe(client)
      })
      second.listen(home.way.port, '127.0.0.2')
      await once(second, 'listening')
      home.connect({ endpoints: [`127.0.0.2:${home.way.port}`, `127.0.0.1:${home.way.port}`] })
      await warmUp()
      second.close()
      await once(second, 'close')
      const { info } = await home.world.ask('/early')
      expect(info.earlyData).toBe('accepted')
      expect(info.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'connected'])
    })

    it('is not used for an origin that did not ask for it', async () => {
      home.connect({ earlyDataOverTcp: false })
      await warmUp()
      const { info, text } = await home.world.ask('/early', { earlyData: true })
      expect(info).toMatchObject({ resumed: true, earlyData: 'none' })
      expect(parseReflection(text)['early']).toBe('')
      expect(home.way.offered.map(offered => offered?.isEarly)).toEqual([undefined, false])
      expect(home.world.outcomes()).toEqual([])
    })

    it('is not used with a client that resumes nothing, or speaks TLS 1.2', async () => {
      for (const tls of [{ resumption: false }, { maxVersion: 'TLSv1.2' as const }]) {
        home.connect({ tls: { ca: home.nginx.certificates.ca, ...tls } })
        await home.world.ask('/early')
        await home.world.untilIdleIsClosed()
        expect((await home.world.ask('/early')).info.earlyData).toBe('none')
        expect(home.way.offered.some(offered => offered?.isEarly)).toBe(false)
        await home.world[Symbol.asyncDispose]()
      }
    })

    it('is named by explain where it could be used', async () => {
      home.connect()
      const { unavailable } = await home.world.transport.explain(home.world.url)
      expect(unavailable.filter(({ feature }) => /early/.test(feature))).toEqual([])
    })

    it('succeeds with haproxy', async ctx => {
      const tool = requireBinary('haproxy')
      ctx.skip(tool !== undefined, tool)
      using directory = makeTemporaryDirectory('haproxy-early')
      const { ca, bundleFile } = await writeCertificateFiles(directory.path)
      const port = await freePort()
      const reflection = 'reused:\\ %[ssl_fc_is_resumed]\\nmarked:\\ %[req.hdr(early-data)]\\n'
      await using haproxy = await startHaproxy({
        extraFrontend: `bind 127.0.0.1:${port} ssl crt ${bundleFile} alpn ${protocol} allow-0rtt
  http-request return status 200 content-type text/plain lf-string ${reflection} if { path /early }`,
      })
      expect(haproxy.server.hasExited()).toBe(false)
      await using world = earlyWorld({ port, ca, protocols: [protocol] })
      await world.ask('/early')
      for (let round = 0; round < 3; round++) {
        await world.untilIdleIsClosed()
        const answers = await Promise.all([
          world.ask('/early'),
          world.ask('/early', { method: 'POST', body: 'x' }),
        ])
        expect(answers.map(({ status }) => status)).toEqual([200, 200])
        expect(answers[0].info).toMatchObject({ resumed: true, earlyData: 'accepted', retries: 0 })
        expect(parseReflection(answers[0].text)['reused']).toBe('1')
      }
    })
  },
)

describe.skipIf(missing !== undefined)('early data over TCP to openssl s_server', () => {
  it('arrives there as such, once', async ctx => {
    const tool = requireBinary('openssl')
    ctx.skip(tool !== undefined, tool)
    await using server = await startOpensslEarlyServer(['-alpn', 'http/1.1', '-crlf'])
    await using world = earlyWorld({
      port: server.port,
      ca: server.certificates.ca,
      protocols: ['http/1.1'],
    })
    for (const [path, kind] of [
      ['/first', 'none'],
      ['/second', 'accepted'],
      ['/third', 'accepted'],
    ] as const) {
      const asked = world.ask(path)
      await server.untilOutput(`GET ${path} HTTP/1.1`)
      server.say('HTTP/1.1 200 OK\nconnection: close\ncontent-length: 4\n\nok')
      const { text, info } = await asked
      expect([text, info.earlyData, info.retries]).toEqual(['ok\r\n', kind, 0])
      await world.untilIdleIsClosed()
    }
    const output = server.output()
    expect(output.match(/Early data received:/g)).toHaveLength(2)
    expect(output.match(/GET \/second/g)).toHaveLength(1)
    await until(() => world.outcomes().length === 2, 'two outcomes')
  })

  it('stays behind the handshake where the ticket allows less than the request takes', async ctx => {
    const tool = requireBinary('openssl')
    ctx.skip(tool !== undefined, tool)
    await using server = await startOpensslEarlyServer([
      '-alpn',
      'http/1.1',
      '-crlf',
      '-max_early_data',
      '120',
    ])
    await using world = earlyWorld({
      port: server.port,
      ca: server.certificates.ca,
      protocols: ['http/1.1'],
    })
    for (const [path, kind] of [
      ['/first', 'none'],
      [`/${'x'.repeat(100)}`, 'none'],
      ['/short', 'accepted'],
    ] as const) {
      const asked = world.ask(path)
      await server.untilOutput(`GET ${path} HTTP/1.1`)
      server.say('HTTP/1.1 200 OK\nconnection: close\ncontent-length: 4\n\nok')
      expect((await asked).info.earlyData).toBe(kind)
      await world.untilIdleIsClosed()
    }
    expect(world.outcomes()).toEqual(['unused', 'accepted'])
  })
})
