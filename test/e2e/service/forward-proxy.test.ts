import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServiceConfig } from '../../../src/service/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { bodyOf } from '../../support/body-files.ts'
import { curl } from '../../support/curl.ts'
import { dnsServers } from '../../support/dns-asking.ts'
import { a, WIRE_TYPES, wireReply } from '../../support/dns-wire.ts'
import {
  accessLogFile,
  type ForwardConfig,
  metric,
  raw,
  startForwardProxy,
} from '../../support/forward-proxy.ts'
import { connectHttp3Peer } from '../../support/http3-peer-client.ts'
import { data, FRAME, headers } from '../../support/http3-wire.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { type Nginx, parseReflection, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { until } from '../../support/until.ts'

const missing = requireBinary('nginx', 'curl')
const { serve: serveDns, end: endDns } = dnsServers()
let nginx: Nginx
let authority: CertificateAuthority
let identity: IssuedCertificate
beforeAll(async () => {
  if (missing !== undefined) return
  nginx = await startNginx({ http2: true })
  authority = await createCertificateAuthority()
  identity = await authority.issue({ names: ['localhost'] })
})
afterAll(async () => {
  await endDns()
  await nginx?.stop()
})

/** A connector that forwards to nginx, and to whatever else a test lists. */
function startProxy(forward: Partial<ForwardConfig> = {}, config: Partial<ServiceConfig> = {}) {
  const { plainPort, tlsPort, h2cPort, certificates } = nginx
  const allow = [`localhost:${plainPort},${tlsPort},${h2cPort}`]
  return startForwardProxy({ allow, origins: { tls: { ca: certificates.ca } }, ...forward }, config)
}

/** curl through the proxy. */
function through(proxy: TestConnector, url: string, ...args: string[]) {
  return curl(['-x', proxy.url, '--cacert', nginx.certificates.caFile, ...args, url])
}

const codeOf = (body: Buffer): string => JSON.parse(String(body)).error.code

describe.skipIf(missing !== undefined)(
  `a forward proxy${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('carries http requests of curl to the origin that they name, with its Host', async () => {
      await using proxy = await startProxy()
      const got = await through(proxy, `${nginx.plainUrl}/reflect`, '-H', 'x-test: a', '-U', 'ann:secret')
      expect(got.status).toBe(200)
      const reflected = parseReflection(String(got.body))
      expect(reflected).toMatchObject({
        'request-line': 'GET /reflect HTTP/1.1',
        host: `localhost:${nginx.plainPort}`,
        via: expect.stringMatching(/^1\.1 middlemile/),
        'x-test': 'a',
        'x-forwarded-for': '127.0.0.1',
      })
      const big = await through(proxy, `${nginx.plainUrl}/1m`)
      expect(big.body.equals(bodyOf(1_048_576))).toBe(true)
    })

    it('keeps what is for the proxy from the origin, and what an origin says of proxies from the client', async () => {
      const seen: string[] = []
      await using origin = await startLoopbackServer({
        onConnection: socket =>
          socket.on('data', chunk => {
            seen.push(String(chunk))
            socket.write(
              'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="evil"\r\nX-Other: a\r\nContent-Length: 0\r\n\r\n',
            )
          }),
      })
      await using proxy = await startProxy({ allow: [`127.0.0.1:${origin.port}`] })
      const target = `127.0.0.1:${origin.port}`
      const answer = await raw(
        proxy.port,
        `GET http://${target}/a?b=c HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic YTpi\r\n` +
          'Proxy-Connection: keep-alive\r\nConnection: x-hop\r\nX-Hop: 1\r\nPragma: no-cache\r\n\r\n',
      )
      expect(answer).toContain('HTTP/1.1 407')
      expect(answer).toContain('x-other: a')
      expect(answer.toLowerCase()).not.toContain('proxy-authenticate')
      expect(seen).toHaveLength(1)
      expect(seen[0]).toMatch(new RegExp(`^GET /a\\?b=c HTTP/1\\.1\r\nHost: ${target}\r\n`, 'i'))
      expect(seen[0]).toMatch(/pragma: no-cache/i)
      expect(seen[0]).not.toMatch(/proxy-|x-hop/i)
    })

    it('reaches https origins over HTTP/2, verified, when a request names one', async () => {
      await using proxy = await startProxy()
      const target = `localhost:${nginx.tlsPort}`
      const answer = await raw(
        proxy.port,
        `GET https://${target}/reflect HTTP/1.1\r\nHost: ${target}\r\nConnection: close\r\n\r\n`,
      )
      expect(answer).toContain('request-line: GET /reflect HTTP/2.0')
      expect(answer).toContain('tls-server-name: localhost')
      await using strict = await startProxy({ origins: {} })
      const refused = await raw(
        strict.port,
        `GET https://${target}/ HTTP/1.1\r\nHost: ${target}\r\nConnection: close\r\n\r\n`,
      )
      expect(refused).toContain('MM_TLS_CERTIFICATE')
    })

    it('opens tunnels for curl, and counts and logs them', async () => {
      const log = accessLogFile()
      await using proxy = await startProxy(
        {},
        { accessLog: { format: '$method $target $status $route $origin $error', to: log.file } },
      )
      const got = await through(proxy, `${nginx.url}/100k`)
      expect(got).toMatchObject({ status: 200, exitCode: 0 })
      expect(got.body.equals(bodyOf(102_400))).toBe(true)
      await expect.poll(() => metric(proxy, 'middlemile_tunnels')).toBe(0)
      await expect
        .poll(log.read)
        .toBe(`CONNECT localhost:${nginx.tlsPort} 200 out https://localhost:${nginx.tlsPort} -\n`)
      expect(await metric(proxy, 'middlemile_tunnels_total', { route: 'out', outcome: 'opened' })).toBe(1)
      expect(
        await metric(proxy, 'middlemile_response_body_bytes_total', { origin: 'forward:out' }),
      ).toBeGreaterThan(102_400)
      expect(
        await metric(proxy, 'middlemile_client_responses_total', { origin: 'forward:out', status: '200' }),
      ).toBe(1)
    })

    it('takes clients over HTTP/2: requests by :scheme and :authority, and CONNECT', async () => {
      await using proxy = await startProxy()
      const session = connectHttp2(proxy.url)
      const ask = async (headers: Record<string, string>): Promise<[number, string]> => {
        const stream = session.request(headers)
        const [head] = await once(stream, 'response')
        let text = ''
        for await (const chunk of stream) text += String(chunk)
        return [head[':status'], text]
      }
      const place = `localhost:${nginx.plainPort}`
      const [status, text] = await ask({ ':scheme': 'http', ':authority': place, ':path': '/reflect' })
      expect(status).toBe(200)
      expect(text).toContain(`host: ${place}`)
      expect((await ask({ ':scheme': 'http', ':authority': 'else.test', ':path': '/' }))[0]).toBe(403)
      expect((await ask({ ':scheme': 'ftp', ':authority': place, ':path': '/' }))[0]).toBe(400)
      const tunnel = session.request({ ':method': 'CONNECT', ':authority': place }, { endStream: false })
      tunnel.write(`GET /1k HTTP/1.1\r\nhost: ${place}\r\nconnection: close\r\n\r\n`)
      const [head] = await once(tunnel, 'response')
      expect(head[':status']).toBe(200)
      const received: Buffer[] = []
      for await (const chunk of tunnel) received.push(chunk as Buffer)
      expect(Buffer.concat(received).subarray(-1024).equals(bodyOf(1024))).toBe(true)
      session.close()
    })

    it('takes clients over TLS: curl speaks it to the proxy, too', async () => {
      await using proxy = await startProxy(
        {},
        { listen: [{ address: '127.0.0.1:0', tls: { cert: identity.cert, key: identity.key } }] },
      )
      const args = ['--proxy-insecure', '--cacert', nginx.certificates.caFile]
      const viaTunnel = await curl(['-x', proxy.url, ...args, `${nginx.url}/1k`])
      const plain = await curl(['-x', proxy.url, ...args, `${nginx.plainUrl}/1k`])
      expect([viaTunnel.status, plain.status]).toEqual([200, 200])
    })

    it('refuses by name what is not listed, not public, or names nothing', async () => {
      await using proxy = await startProxy({
        allow: ['localhost', `127.0.0.1:${nginx.plainPort}`],
        allowPrivate: [],
      })
      const refusals = []
      for (const url of [
        'http://other.test/',
        'http://localhost:81/',
        `http://127.0.0.1:${nginx.plainPort}/`,
      ]) {
        const { status, body, headers } = await through(proxy, url)
        refusals.push([status, codeOf(body), headers['proxy-status']?.[0]?.split(';')[1]])
      }
      expect(refusals).toEqual([
        [403, 'MM_TARGET_REFUSED', ' error=http_request_denied'],
        [403, 'MM_TARGET_REFUSED', ' error=http_request_denied'],
        [403, 'MM_ADDRESS_REFUSED', ' error=destination_ip_prohibited'],
      ])
      const direct = await curl([`${proxy.url}/1k`])
      expect([direct.status, codeOf(direct.body)]).toEqual([400, 'MM_NO_TARGET'])
      const odd = await raw(proxy.port, 'GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n')
      expect(odd).toContain('MM_NO_TARGET')
      for (const target of ['other.test:443', 'localhost:22', 'localhost:80']) {
        const answer = await raw(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
        expect(answer).toMatch(/^HTTP\/1\.1 403 .*MM_TARGET_REFUSED/s)
      }
      const inner = await raw(proxy.port, 'CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n')
      expect(inner).toMatch(/^HTTP\/1\.1 403 .*MM_ADDRESS_REFUSED/s)
      expect(await metric(proxy, 'middlemile_forward_refused_total', { code: 'MM_TARGET_REFUSED' })).toBe(5)
    })

    it('is not rebound: a name that is public when it is asked for, and private right after', async () => {
      let answers = 0
      const dns = await serveDns(({ query, type }) => {
        if (type !== WIRE_TYPES.A) return wireReply(query, { answers: [] })
        answers += 1
        // 127.0.0.3 plays the public address, where nobody listens.
        const address = answers % 2 === 1 ? '127.0.0.3' : '127.0.0.1'
        return wireReply(query, { answers: [a('rebind.test', address, 0)] })
      })
      await using proxy = await startProxy(
        { allow: [`rebind.test:${nginx.plainPort}`], allowPrivate: ['127.0.0.3/32'] },
        { dnsServers: [dns.address], resolver: { dnsCache: 0 } },
      )
      const codes = new Set<string>()
      for (let i = 0; i < 6; i++) {
        const { body } = await through(proxy, `http://rebind.test:${nginx.plainPort}/1k`)
        codes.add(codeOf(body))
        const target = `rebind.test:${nginx.plainPort}`
        const answer = await raw(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
        codes.add(/MM_[A-Z_]+/.exec(answer)?.[0] ?? answer)
      }
      expect(codes).toEqual(new Set(['MM_CONNECT_REFUSED', 'MM_ADDRESS_REFUSED']))
    })

    it('leads to no server of its own: neither a listener nor the admin server', async () => {
      const [port, adminPort] = [await freePort(), await freePort()]
      await using proxy = await startProxy(
        { allow: [`127.0.0.1:${port},${adminPort}`] },
        { listen: [{ address: `127.0.0.1:${port}` }], admin: { address: `127.0.0.1:${adminPort}` } },
      )
      for (const url of [proxy.url, proxy.adminUrl]) {
        const { status, body } = await through(proxy, `${url}/healthz`)
        expect([status, codeOf(body)]).toEqual([403, 'MM_ADDRESS_REFUSED'])
      }
      const target = `127.0.0.1:${adminPort}`
      const answer = await raw(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
      expect(answer).toContain('MM_ADDRESS_REFUSED')
    })

    it('asks for credentials where it is to, and nobody learns of them', async () => {
      await using proxy = await startProxy({ auth: { users: [user('ann', 'secret')], realm: 'the way out' } })
      const asked = await through(proxy, `${nginx.plainUrl}/1k`)
      expect([asked.status, codeOf(asked.body)]).toEqual([407, 'MM_CLIENT_CREDENTIALS'])
      expect(asked.headers['proxy-authenticate']).toEqual(['Basic realm="the way out", charset="UTF-8"'])
      expect((await through(proxy, `${nginx.plainUrl}/1k`, '-U', 'ann:wrong')).status).toBe(407)
      expect((await through(proxy, `${nginx.plainUrl}/1k`, '-U', 'ann:secret')).status).toBe(200)
      expect((await through(proxy, `${nginx.url}/1k`, '-U', 'ann:secret')).status).toBe(200)
      expect((await through(proxy, `${nginx.url}/1k`)).exitCode).not.toBe(0)
      expect(JSON.stringify(proxy.log)).not.toContain('secret')
    })

    it('refuses a request that has come through it before', async () => {
      await using seen = await startProxy()
      const first = await through(seen, `${nginx.plainUrl}/reflect`)
      const via = parseReflection(String(first.body))['via'] ?? ''
      const place = `localhost:${nginx.plainPort}`
      const again = await raw(
        seen.port,
        `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\nVia: ${via}\r\n\r\n`,
      )
      expect(again).toContain('MM_LOOP_DETECTED')
      const tunnel = await raw(
        seen.port,
        `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\nVia: ${via}\r\n\r\n`,
      )
      expect(tunnel).toContain('MM_LOOP_DETECTED')
    })

    it('refuses CONNECT where a host is a route of its own, or none', async () => {
      await using connector = await startConnector({ origins: { a: { url: nginx.plainUrl } } })
      const answer = await raw(connector.port, 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n')
      expect(answer).toMatch(/^HTTP\/1\.1 405 .*MM_METHOD_REFUSED/s)
    })
  },
)

const withoutQuic = missing ?? requireQuic()
describe.skipIf(withoutQuic !== undefined)('a forward proxy over HTTP/3', () => {
  it('takes requests by :scheme and :authority, and CONNECT', async () => {
    const { cert, key } = identity
    await using proxy = await startProxy(
      {},
      { listen: [{ address: '127.0.0.1:0', tls: { cert, key }, protocols: ['h3', 'h2', 'http/1.1'] }] },
    )
    await using client = await connectHttp3Peer(proxy.port, { ca: authority.cert })
    const place = `localhost:${nginx.plainPort}`
    const request = client.openRequest(
      headers([':method', 'GET'], [':scheme', 'http'], [':authority', place], [':path', '/1k']),
    )
    const tunnel = client.openRequest(headers([':method', 'CONNECT'], [':authority', place]), false)
    client.send(tunnel, data(`GET /100k HTTP/1.1\r\nhost: ${place}\r\nconnection: close\r\n\r\n`))
    const other = client.openRequest(headers([':method', 'CONNECT'], [':authority', 'other.test:443']), false)
    const isEnded = (stream: number): boolean => client.streams.get(stream)?.isEnded === true
    await client.until(() => [request, tunnel, other].every(isEnded), 'the ends of the streams')
    const bodyOn = (stream: number): Buffer =>
      Buffer.concat(
        client.framesOf(stream).flatMap(({ type, payload }) => (type === FRAME.DATA ? [payload] : [])),
      )
    expect(bodyOn(request).equals(bodyOf(1_024))).toBe(true)
    // Of a long stream its beginning is kept.
    expect(String(bodyOn(tunnel).subarray(0, 15))).toBe('HTTP/1.1 200 OK')
    expect(client.streams.get(tunnel)?.byteCount).toBeGreaterThan(102_400)
    expect(codeOf(bodyOn(other))).toBe('MM_TARGET_REFUSED')
  })
})

describe.skipIf(missing !== undefined)('origins that requests name', () => {
  it('are few at once: the one that was unused for longest makes room', async () => {
    await using one = await startLoopbackServer({ onConnection: answerShort })
    await using two = await startLoopbackServer({ onConnection: answerShort })
    await using proxy = await startProxy({
      allow: [`127.0.0.1:${one.port},${two.port}`],
      maxOrigins: 1,
    })
    for (const { port } of [one, two, one, two])
      expect((await through(proxy, `http://127.0.0.1:${port}/`)).status).toBe(200)
    expect(await metric(proxy, 'middlemile_forward_origins', { route: 'out' })).toBe(1)
    await until(() => one.open() === 0, 'the pool of the first one has drained')
    expect(one.accepted()).toBe(2)
  })

  it('are refused when each of them is busy', async () => {
    await using slow = await startLoopbackServer()
    await using quick = await startLoopbackServer({ onConnection: answerShort })
    await using proxy = await startProxy({
      allow: [`127.0.0.1:${slow.port},${quick.port}`],
      maxOrigins: 1,
    })
    const waiting = connect(proxy.port, '127.0.0.1')
    waiting.write(`GET http://127.0.0.1:${slow.port}/ HTTP/1.1\r\nHost: 127.0.0.1:${slow.port}\r\n\r\n`)
    await until(() => slow.open() === 1, 'the slow one is busy')
    const { status, body } = await through(proxy, `http://127.0.0.1:${quick.port}/`)
    expect([status, codeOf(body)]).toEqual([503, 'MM_QUEUE_FULL'])
    waiting.destroy()
  })

  it('keep their connections over a reload that leaves them alone, and lose them with their route', async () => {
    await using proxy = await startProxy()
    await through(proxy, `${nginx.plainUrl}/1k`)
    const page = async () => {
      const response = await fetch(`${proxy.adminUrl}/pools`)
      return ((await response.json()) as { forward: { route: string; totalConnections: number }[] }).forward
    }
    expect(await page()).toMatchObject([{ route: 'out', totalConnections: 1, tunnels: 0 }])
    expect((await proxy.service.reload()).ok).toBe(true)
    expect(await page()).toMatchObject([{ route: 'out', totalConnections: 1 }])
    const place = encodeURIComponent(nginx.plainUrl)
    const explained = await fetch(`${proxy.adminUrl}/origins/${place}/explain`)
    expect(await explained.json()).toMatchObject({ origin: nginx.plainUrl })
    const elsewhere = await fetch(`${proxy.adminUrl}/origins/${encodeURIComponent('http://a.test')}/explain`)
    expect(elsewhere.status).toBe(404)
    const result = await proxy.service.reload({
      listen: [{ address: '127.0.0.1:0' }],
      origins: { a: { url: nginx.plainUrl } },
    })
    expect(result.ok).toBe(true)
    expect(await page()).toEqual([])
    const { status } = await through(proxy, `${nginx.plainUrl}/1k`)
    expect(status).toBe(200) // by the route of the only origin
  })
})

function user(name: string, password: string): string {
  return `${name}:${createHash('sha256').update(password).digest('hex')}`
}

function answerShort(socket: Socket): void {
  socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
}
