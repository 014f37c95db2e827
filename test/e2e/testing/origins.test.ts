import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import {
  startIdleClosingOrigin,
  startQuickOrigin,
  startRecyclingOrigin,
  startSlowOrigin,
  type TestOrigin,
} from '../../../src/testing/origins.ts'

interface Got {
  status: number
  headers: http.IncomingHttpHeaders
  trailers: NodeJS.Dict<string>
  body: string
  informational: number[]
}

function get(url: string, options: https.RequestOptions = {}, body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const informational: number[] = []
    const request = (url.startsWith('https') ? https : http).request(url, options, response => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', chunk => (text += chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          trailers: response.trailers,
          body: text,
          informational,
        }),
      )
    })
    request.on('information', info => informational.push(info.statusCode))
    request.on('error', reject)
    request.end(body)
  })
}

let authority: CertificateAuthority
const started: TestOrigin[] = []
const using = (origin: TestOrigin): TestOrigin => {
  started.push(origin)
  return origin
}
beforeAll(async () => {
  authority = await createCertificateAuthority()
})
afterAll(() => Promise.all(started.map(origin => origin.close())))

describe('the quick origin', () => {
  it('answers every path as its table says', async () => {
    const origin = using(await startQuickOrigin())
    expect(JSON.parse((await get(`${origin.url}/x?y`)).body)).toEqual({ method: 'GET', path: '/x?y' })
    const bytes = await get(`${origin.url}/bytes/1000`)
    expect([bytes.headers['content-length'], bytes.body.length, bytes.body.charCodeAt(252)]).toEqual([
      '1000',
      1000,
      1,
    ])
    expect((await get(`${origin.url}/chunked/200000`)).headers['content-length']).toBeUndefined()
    expect((await get(`${origin.url}/bytes/5000000`)).body.length).toBe(5_000_000)
    const echo = await get(`${origin.url}/echo`, { method: 'POST', headers: { 'x-a': 'b' } }, 'hello')
    expect(echo.body).toBe('hello')
    expect(String(echo.headers['x-request'])).toContain('"x-a","b"')
    const seen = JSON.parse((await get(`${origin.url}/inspect`, { method: 'PUT' }, 'abc')).body)
    expect([seen.method, seen.bodyBytes, seen.bodySha256.slice(0, 8)]).toEqual(['PUT', 3, 'ba7816bf'])
    expect((await get(`${origin.url}/trailers`)).trailers).toEqual({ 'x-checksum': 'abc123' })
    expect((await get(`${origin.url}/informational`)).informational).toEqual([103])
    expect((await get(`${origin.url}/redirect`)).headers.location).toBe('/')
    expect((await get(`${origin.url}/status/418`)).status).toBe(418)
    expect((await get(`${origin.url}/drip?n=3&ms=1`)).body.length).toBe(30)
    await expect(get(`${origin.url}/abort`)).rejects.toThrow()
    const started = performance.now()
    await get(`${origin.url}/slow?ms=60`)
    expect(performance.now() - started).toBeGreaterThan(55)
  })

  it('echoes on an upgraded connection', async () => {
    const origin = using(await startQuickOrigin())
    const socket = net.connect(origin.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly')
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      if (text.endsWith('early')) socket.write('late')
      if (text.endsWith('late')) break
    }
    expect(text).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\nearlylate$/s)
  })

  it('speaks TLS with a certificate that its authority vouches for, and counts resumptions', async () => {
    const tls = await authority.issue({ names: ['localhost'] })
    const origin = using(await startQuickOrigin({ tls }))
    const agent = new https.Agent({ keepAlive: false, ca: authority.cert })
    expect((await get(`${origin.url}/`, { agent })).status).toBe(200)
    expect((await get(`${origin.url}/`, { agent })).status).toBe(200)
    expect([origin.connectionsSeen(), origin.resumptionsSeen(), origin.requestsSeen()]).toEqual([2, 1, 2])
    await expect(get(`${origin.url}/`, { agent: new https.Agent() })).rejects.toThrow(/certificate/)
    agent.destroy()
  })

  it('asks for a client certificate when it is given an authority for them', async () => {
    const tls = await authority.issue({ names: ['localhost'] })
    const client = await authority.issue({ names: ['client'], clientAuth: true })
    const origin = using(await startQuickOrigin({ tls, clientCa: authority.cert }))
    const ca = authority.cert
    const { cert, key } = client
    expect((await get(`${origin.url}/`, { ca, cert, key, agent: false })).status).toBe(200)
    await expect(get(`${origin.url}/`, { ca, agent: false })).rejects.toThrow()
  })
})

describe('the other origins, of which', () => {
  it('slow delays every answer', async () => {
    const origin = using(await startSlowOrigin({ delayMs: 60 }))
    const started = performance.now()
    await get(`${origin.url}/`)
    expect(performance.now() - started).toBeGreaterThan(55)
  })

  it('idle-closing ends a connection that was idle for a while', async () => {
    const origin = using(await startIdleClosingOrigin({ keepAliveTimeoutMs: 50 }))
    const socket = net.connect(origin.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.resume()
    await once(socket, 'end')
    socket.destroy()
    expect([origin.requestsSeen(), origin.connectionsSeen()]).toEqual([1, 1])
  })

  it('recycling ends a connection after its last request, and announces it', async () => {
    const origin = using(await startRecyclingOrigin({ maxRequestsPerConnection: 3 }))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const connection: (string | undefined)[] = []
    for (let i = 0; i < 7; i++) connection.push((await get(`${origin.url}/`, { agent })).headers.connection)
    const kept = 'keep-alive'
    expect(connection).toEqual([kept, kept, 'close', kept, kept, 'close', kept])
    expect(origin.connectionsSeen()).toBe(3)
    agent.destroy()
  })
})
