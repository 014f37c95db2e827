import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer, type TlsOptions } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { openEarlyClient, sessionOfNode } from '../../support/early-client.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { startNginx } from '../../support/nginx.ts'
import { startOpensslEarlyServer } from '../../support/openssl-early-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { freePort } from '../../support/tcp-port.ts'
import { startTcpRelay } from '../../support/tcp-relay.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { until } from '../../support/until.ts'

const missing = requireOpenssl()

describe.skipIf(missing !== undefined)(`early data over TCP (${missing ?? 'OpenSSL'})`, () => {
  describe('openssl s_server', () => {
    it('takes early data once for a ticket, and gets the same again when it refuses', async ctx => {
      const tool = requireBinary('openssl')
      ctx.skip(tool !== undefined, tool)
      await using server = await startOpensslEarlyServer(['-alpn', 'http/1.1'])
      const { port, certificates } = server
      const tls = { ca: certificates.ca }
      let session: Buffer
      // It serves one connection after the other: the last one must have ended.
      {
        await using client = await openEarlyClient({ port, tls, first: 'hello\n' })
        await server.untilOutput('hello')
        const made = await client.handshake
        expect(made).toMatchObject({ earlyData: 'none', isResumed: false, tlsVersion: 'TLSv1.3' })
        expect(made.certificate?.endsInMs).toBeGreaterThan(86_400_000)
        await until(() => client.tickets.length === 2, 'two tickets')
        session = client.tickets[0]!
      }
      {
        await using client = await openEarlyClient({ port, tls, session, first: 'early bird\n' })
        expect(client.early.phase).toBe('collecting')
        expect(client.early.firstFlightBytes).toBeUndefined()
        const made = await client.handshake
        expect(made).toMatchObject({ earlyData: 'accepted', isResumed: true, certificate: undefined })
        expect(client.early.phase).toBe('open')
        // ClientHello with a ticket, and a record of early data behind it.
        expect(client.early.firstFlightBytes).toBeGreaterThan(350)
        client.early.socket.write('later on\n')
        await server.untilOutput('later on')
        expect(server.output()).toContain('Early data received')
        expect(server.output()).toContain('early bird')
        server.say('answer')
        await client.untilText('answer')
        expect(client.tickets).toHaveLength(1)
      }
      {
        await using client = await openEarlyClient({ port, tls, session, first: 'second time\n' })
        const made = await client.handshake
        expect(made).toMatchObject({ earlyData: 'rejected', isResumed: false })
        expect(made.certificate?.endsInMs).toBeGreaterThan(86_400_000)
        client.early.socket.write('and more\n')
        await server.untilOutput('second time\nand more\n')
        expect(server.output()).toContain('Early data was rejected')
        expect(server.output().match(/second time/g)).toHaveLength(1)
      }
    })

    it('gets nothing early beyond what the ticket allows', async ctx => {
      const tool = requireBinary('openssl')
      ctx.skip(tool !== undefined, tool)
      await using server = await startOpensslEarlyServer(['-max_early_data', '100', '-no_anti_replay'])
      const { port } = server
      const tls = { ca: server.certificates.ca }
      const session = await sessionOfNode(port, tls.ca)
      const line = 'x'.repeat(60)
      {
        await using client = await openEarlyClient({ port, tls, session, alpn: null })
        client.early.socket.write(`${line}\n`)
        client.early.socket.write(`${line}y\n`)
        expect(await client.handshake).toMatchObject({ earlyData: 'none', isResumed: true })
        await server.untilOutput(`${line}\n${line}y\n`)
        expect(server.output()).not.toContain('Early data received')
      }
      {
        await using client = await openEarlyClient({ port, tls, session, alpn: null, first: `${line}\n` })
        expect(await client.handshake).toMatchObject({ earlyData: 'accepted' })
        await server.untilOutput('Early data received')
      }
    })

    it('goes without a session that is for another protocol', async ctx => {
      const tool = requireBinary('openssl')
      ctx.skip(tool !== undefined, tool)
      await using server = await startOpensslEarlyServer(['-alpn', 'http/1.1,h2', '-no_anti_replay'])
      const { port } = server
      const tls = { ca: server.certificates.ca }
      const session = await sessionOfNode(port, tls.ca)
      await using client = await openEarlyClient({ port, tls, session, first: 'abc\n', alpn: 'h2' })
      expect(await client.handshake).toMatchObject({ earlyData: 'none', isResumed: false })
      await server.untilOutput('abc')
      expect(server.output()).not.toContain('Early data received')
    })

    it('may update its keys, and ask for new ones of ours', async ctx => {
      const tool = requireBinary('openssl')
      ctx.skip(tool !== undefined, tool)
      await using server = await startOpensslEarlyServer()
      const tls = { ca: server.certificates.ca }
      await using client = await openEarlyClient({ port: server.port, tls, alpn: null, first: 'hello\n' })
      await client.handshake
      for (const round of ['one', 'two', 'three']) {
        server.say('K')
        await sleep(300) // it looks at the beginning of what it reads only
        server.say(`answer ${round}`)
        await client.untilText(`answer ${round}`)
        client.early.socket.write(`thanks for ${round}\n`)
        await server.untilOutput(`thanks for ${round}`)
      }
      expect(client.events).not.toContain('close')
    })
  })

  describe('nginx', () => {
    const early = `ssl_early_data on;
      location = /early { default_type text/plain; return 200 "early: $ssl_early_data reused: $ssl_session_reused"; }`
    const request = 'GET /early HTTP/1.1\r\nhost: origin.test\r\n\r\n'

    it('answers a request that came early, from a session of node:tls and from one of ours', async ctx => {
      const tool = requireBinary('nginx')
      ctx.skip(tool !== undefined, tool)
      await using nginx = await startNginx({ extraServer: early, http2: true })
      // Far away, so that the answer leaves before the handshake is complete.
      await using relay = await startTcpRelay(nginx.tlsPort, { delayMs: 80 })
      const { port } = relay
      const tls = { ca: nginx.certificates.ca }
      const session = await sessionOfNode(port, tls.ca, { first: request })
      let next: Buffer
      {
        await using client = await openEarlyClient({ port, tls, session, first: request })
        await client.untilText('reused: r')
        expect(client.text()).toContain('early: 1')
        expect(await client.handshake).toMatchObject({ earlyData: 'accepted', isResumed: true })
        // The handshake is complete: a second request is not early.
        client.early.socket.write(request)
        await client.untilText('early:  ')
        next = client.tickets.at(-1)!
      }
      await using client = await openEarlyClient({ port, tls, session: next, first: request })
      await client.untilText('early: 1')
    })

    it('takes what was written in the turn that follows', async ctx => {
      const tool = requireBinary('nginx')
      ctx.skip(tool !== undefined, tool)
      await using nginx = await startNginx({ extraServer: early })
      const port = nginx.tlsPort
      const tls = { ca: nginx.certificates.ca }
      const session = await sessionOfNode(port, tls.ca, { first: request })
      const ways: ((write: (text: string) => void) => void)[] = [
        write => setImmediate(() => write(request)),
        write => void Promise.resolve().then(() => setImmediate(() => write(request))),
        write => setImmediate(() => setImmediate(() => write(request))),
        // HTTP/2: its preface at once, and the first request in the turn's end.
        write => {
          write(request.slice(0, 10))
          setImmediate(() => write(request.slice(10)))
        },
      ]
      for (const way of ways) {
        await using client = await openEarlyClient({ port, tls, session })
        way(text => void client.early.socket.write(text, 'latin1'))
        expect(await client.handshake).toMatchObject({ earlyData: 'accepted' })
        await client.untilText('reused: r')
        expect(client.text().match(/HTTP\/1\.1 200/g)).toHaveLength(1)
      }
      // Nothing was written: the handshake does not wait for it.
      await using silent = await openEarlyClient({ port, tls, session })
      expect(await silent.handshake).toMatchObject({ earlyData: 'none', isResumed: true })
      silent.early.socket.write(request)
      await silent.untilText('early:  ')
    })

    it('with other ticket keys gets the same again behind a full handshake', async ctx => {
      const tool = requireBinary('nginx')
      ctx.skip(tool !== undefined, tool)
      await using nginx = await startNginx({ extraServer: early })
      const port = nginx.tlsPort
      const tls = { ca: nginx.certificates.ca }
      const session = await sessionOfNode(port, tls.ca, { first: request })
      await nginx.restart()
      await using client = await openEarlyClient({ port, tls, session, first: request })
      const made = await client.handshake
      expect(made).toMatchObject({ earlyData: 'rejected', isResumed: false })
      expect(made.certificate?.endsInMs).toBeGreaterThan(0)
      await client.untilText('early:  ')
      expect(client.text().match(/HTTP\/1\.1 200/g)).toHaveLength(1)
    })

    it('gets nothing early under another name than the ticket is for', async ctx => {
      const tool = requireBinary('nginx')
      ctx.skip(tool !== undefined, tool)
      await using nginx = await startNginx({ extraServer: early })
      const port = nginx.tlsPort
      const tls = { ca: nginx.certificates.ca }
      const session = await sessionOfNode(port, tls.ca, { first: request })
      await using client = await openEarlyClient({
        port,
        tls,
        session,
        first: request,
        serverName: 'shop.test',
      })
      expect(await client.handshake).toMatchObject({ earlyData: 'none', isResumed: false })
      await client.untilText('early:  ')
    })

    it('that speaks another protocol than it did gets nothing', async ctx => {
      const tool = requireBinary('nginx')
      ctx.skip(tool !== undefined, tool)
      await using nginx = await startNginx({ extraServer: early })
      const tls = { ca: nginx.certificates.ca }
      await using client = await openEarlyClient({ port: nginx.tlsPort, tls, alpn: 'h2', first: 'PRI' })
      await client.closed
      expect(client.events).toEqual([expect.stringMatching(/^error .*NO_APPLICATION_PROTOCOL/), 'close'])
    })
  })

  describe('haproxy', () => {
    it('answers a request that came early', async ctx => {
      const tool = requireBinary('haproxy')
      ctx.skip(tool !== undefined, tool)
      const directory = makeTemporaryDirectory('haproxy-early')
      try {
        const { ca, bundleFile } = await writeCertificateFiles(directory.path)
        const port = await freePort()
        const extraFrontend = `bind 127.0.0.1:${port} ssl crt ${bundleFile} alpn http/1.1 allow-0rtt`
        await using haproxy = await startHaproxy({ extraFrontend })
        expect(haproxy.server.hasExited()).toBe(false)
        const request = 'GET /1k HTTP/1.1\r\nhost: origin.test\r\n\r\n'
        const session = await sessionOfNode(port, ca, { first: request })
        await using client = await openEarlyClient({ port, tls: { ca }, session, first: request })
        expect(await client.handshake).toMatchObject({ earlyData: 'accepted', isResumed: true })
        await client.untilText('HTTP/1.1 200')
        // haproxy takes early data once for a ticket.
        await using again = await openEarlyClient({ port, tls: { ca }, session, first: request })
        await again.untilText('HTTP/1.1 200')
        await until(() => client.received.length > 0 && again.text().length > 1024, 'the body')
        expect(again.text().match(/HTTP\/1\.1 200/g)).toHaveLength(1)
      } finally {
        directory.remove()
      }
    })
  })

  describe('node:tls, which takes no early data', () => {
    it('resumes the session; everything goes behind the handshake', async () => {
      await using server = await startEcho()
      const session = await sessionOfNode(server.port, server.ca)
      await using client = await openEarlyClient({
        port: server.port,
        tls: { ca: server.ca },
        session,
        first: 'abc',
      })
      expect(await client.handshake).toMatchObject({ earlyData: 'none', isResumed: true })
      await client.untilText('abc')
    })

    it('shows the keys to a listener, in the lines of node:tls', async () => {
      await using server = await startEcho()
      const lines: string[] = []
      const keylog = (line: Buffer): void => void lines.push(line.toString('latin1'))
      await using client = await openEarlyClient({
        port: server.port,
        tls: { ca: server.ca },
        first: 'abc',
        keylog,
      })
      await client.untilText('abc')
      expect(new Set(lines.map(line => line.split(' ')[0]))).toEqual(
        new Set([
          'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
          'CLIENT_TRAFFIC_SECRET_0',
          'EXPORTER_SECRET',
          'SERVER_HANDSHAKE_TRAFFIC_SECRET',
          'SERVER_TRAFFIC_SECRET_0',
        ]),
      )
      for (const line of lines) expect(line).toMatch(/^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}\n$/)
    })

    it('gets a client certificate', async () => {
      const authority = await createCertificateAuthority()
      const own = await authority.issue({ names: ['client.test'], clientAuth: true })
      await using server = await startEcho({
        requestCert: true,
        rejectUnauthorized: true,
        ca: authority.cert,
      })
      const port = server.port
      await using client = await openEarlyClient({
        port,
        tls: { ca: server.ca, cert: own.cert, key: own.key },
        first: 'abc',
      })
      await client.untilText('abc')
      await using without = await openEarlyClient({ port, tls: { ca: server.ca }, first: 'abc' })
      await without.closed
      expect(without.error()?.code).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET|EPIPE/)
      expect(without.text()).toBe('')
    })

    it('of TLS 1.2 alone is an error', async () => {
      await using server = await startEcho({ maxVersion: 'TLSv1.2' })
      await using client = await openEarlyClient({
        port: server.port,
        tls: { ca: server.ca },
        first: 'abc',
      })
      await client.closed
      expect(client.events).toEqual([expect.stringMatching(/^error .*PROTOCOL_VERSION/), 'close'])
    })

    it('that asks for another group gets it (HelloRetryRequest)', async () => {
      await using server = await startEcho({ ecdhCurve: 'P-384' })
      const session = await sessionOfNode(server.port, server.ca)
      const tls = { ca: server.ca, groups: 'X25519:P-384' }
      await using client = await openEarlyClient({ port: server.port, tls, session, first: 'abc' })
      await client.untilText('abc')
    })
  })
})

async function startEcho(options: TlsOptions = {}) {
  const authority = await createCertificateAuthority()
  const { cert, key } = await authority.issue({ names: ['origin.test'] })
  const server = createServer({ cert, key, ALPNProtocols: ['http/1.1'], ...options }, socket => {
    socket.on('error', () => {}) // clients come and go
    socket.pipe(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    port,
    ca: authority.cert,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
