import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { interceptors, fetch as undiciFetch, request as undiciRequest, WebSocket } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { listenQuic } from '../../../src/ingress/quic-listener.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { bodyOf } from '../../support/body-files.ts'
import { load } from '../../support/load.ts'
import { openTunnel } from '../../support/open-tunnel.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { until } from '../../support/until.ts'

const missing = requireQuic()
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The module over HTTP/3 against our own server role, which does what servers of others do not. */
describe.skipIf(missing !== undefined)('the module and an origin of ours over HTTP/3', () => {
  let tls: IssuedCertificate
  let origin: Http3Origin
  let transport: Transport
  beforeAll(async () => {
    tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    origin = await startHttp3Origin({ tls, maxConcurrentStreams: 1_000 })
    transport = createTransport({
      defaults: { protocols: ['h3'], tls: { ca: tls.ca }, pool: { maxStreamsPerConnection: 1_000 } },
    })
  })
  afterAll(async () => {
    await transport?.close()
    await origin?.close()
  })

  it('carries a thousand requests at once on one connection', async () => {
    await using cold = createTransport({
      defaults: { protocols: ['h3'], tls: { ca: tls.ca }, pool: { maxStreamsPerConnection: 1_000 } },
    })
    const before = origin.connectionsSeen()
    const answers = Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const response = await cold.request(`${origin.url}/slow?ms=4000&${i}`)
        return `${response.status} ${response.info.protocol} ${await response.text()}`
      }),
    )
    const requestsBefore = origin.requestsSeen()
    await until(() => origin.requestsSeen() - requestsBefore === 1_000, 'the origin has all of them')
    expect(cold.stats().pools[0]).toMatchObject({ streams: 1_000, byProtocol: { h3: { streams: 1_000 } } })
    expect(new Set(await answers)).toEqual(new Set(['200 h3 {"slow":true}\n']))
    expect(origin.connectionsSeen() - before).toBe(1)
    expect(cold.stats().pools[0]).toMatchObject({ opened: { full: 1 }, retries: 0, streams: 0 })
  })

  it('moves 10 MB in either direction, and in both', async () => {
    const body = bodyOf(10_485_760)
    const got = await transport.request(`${origin.url}/bytes/10485760`)
    expect(sha256(await got.bytes())).toBe(sha256(patternBytes(10_485_760)))
    const pieces = function* (): Generator<Uint8Array> {
      for (let at = 0; at < body.length; at += 65_000) yield body.subarray(at, at + 65_000)
    }
    for (const input of [body, pieces()]) {
      const sent = await transport.request(`${origin.url}/inspect`, { method: 'POST', body: input })
      expect(await sent.json()).toMatchObject({ bodyBytes: body.length, bodySha256: sha256(body) })
    }
    const echoed = await transport.request(`${origin.url}/echo`, { method: 'PUT', body })
    expect(sha256(await echoed.bytes())).toBe(sha256(body))
  })

  it('reads trailers, 1xx, redirects, and answers without a body', async () => {
    const trailers = await transport.request(`${origin.url}/trailers`)
    expect([await trailers.text(), trailers.trailers]).toEqual(['with trailers', { 'x-checksum': 'abc123' }])
    const early = await transport.request(`${origin.url}/informational`)
    await early.dump()
    expect(early.info.informational).toEqual([
      { status: 103, headers: { link: '</style.css>; rel=preload; as=style' } },
    ])
    for (const status of [204, 304]) {
      const none = await transport.request(`${origin.url}/status/${status}`)
      expect([none.status, (await none.bytes()).length]).toEqual([status, 0])
    }
    const head = await transport.request(`${origin.url}/bytes/5000`, { method: 'HEAD' })
    expect([head.headers['content-length'], (await head.bytes()).length]).toEqual(['5000', 0])
  })

  it('gives up requests in every phase, and the origin is notified', async () => {
    const streams = (): number => transport.stats().pools[0]?.streams ?? 0
    const failure = { name: 'AbortError' }
    const others = Array.from({ length: 5 }, async () =>
      sha256(await (await transport.request(`${origin.url}/bytes/2000000`)).bytes()),
    )
    const waiting = new AbortController()
    const silent = transport.request(`${origin.url}/silent`, { signal: waiting.signal })
    const dripping = new AbortController()
    const drip = await transport.request(`${origin.url}/drip?n=1000&ms=5`, { signal: dripping.signal })
    const uploading = new AbortController()
    const source = new Readable({
      read() {
        this.push(Buffer.alloc(1_000))
      },
    })
    const upload = transport.request(`${origin.url}/inspect`, {
      method: 'POST',
      body: source,
      signal: uploading.signal,
    })
    const sunk = [silent, upload, drip.text()].map(promise => promise.catch((error: unknown) => error))
    await sleep(50)
    for (const { abort } of [waiting, dripping, uploading].map(c => ({ abort: () => c.abort() }))) abort()
    for (const error of await Promise.all(sunk)) expect(error).toMatchObject(failure)
    expect(source.destroyed).toBe(true)
    expect(new Set(await Promise.all(others))).toEqual(new Set([sha256(patternBytes(2_000_000))]))
    expect(streams()).toBe(0)
    expect(transport.stats().pools[0]?.opened).toMatchObject({ full: 1 })
  })

  it('is notified when the origin gives up, while others go on', async () => {
    // What came before a RESET_STREAM may never be delivered (RFC 9000 19.4): the head, for one.
    const broken = transport.request(`${origin.url}/abort`).then(response => response.bytes())
    await expect(broken).rejects.toMatchObject({ code: 'MM_STREAM_RESET' })
    const after = await transport.request(`${origin.url}/`)
    await after.dump()
    expect([after.status, after.info.reused]).toEqual([200, true])
  })

  it('takes an answer that comes before the upload is over', async () => {
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(16_384))
      },
    })
    const response = await transport.request(`${origin.url}/status/413`, { method: 'POST', body: endless })
    expect([response.status, await response.json()]).toEqual([413, { status: 413 }])
    await until(() => endless.destroyed, 'the source is told to stop')
    expect(transport.stats().pools[0]).toMatchObject({ streams: 0, opened: { full: 1 } })
  })

  it('holds back the origin of a stalled reader, and no other exchange', async () => {
    // From the start, on a connection of its own, and for more than the window of the connection.
    await using cold = createTransport({ defaults: { protocols: ['h3'], tls: { ca: tls.ca } } })
    const sleeping = await cold.request(`${origin.url}/bytes/20000000`)
    await sleep(100)
    const before = process.memoryUsage().arrayBuffers
    const { failures, perConnection } = await load(cold, `${origin.url}/bytes/10000`, {
      requests: 1_000,
      concurrency: 10,
      headersTimeoutMs: 5_000,
      bodyTimeoutMs: 5_000,
    })
    expect([failures, perConnection.size]).toEqual([[], 1])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000)
    expect(sha256(await sleeping.bytes())).toBe(sha256(patternBytes(20_000_000)))
  })

  it('carries fetch, undici and their interceptors on the dispatcher', async () => {
    const dispatcher = transport.dispatcher()
    const fetched = await transport.fetch(`${origin.url}/bytes/100000`)
    expect(sha256(new Uint8Array(await fetched.arrayBuffer()))).toBe(sha256(patternBytes(100_000)))
    const streamed = await undiciFetch(`${origin.url}/echo`, {
      dispatcher,
      method: 'POST',
      body: Readable.from([Buffer.from('in '), Buffer.from('pieces')]),
      duplex: 'half',
    })
    expect(await streamed.text()).toBe('in pieces')
    const redirected = await undiciRequest(`${origin.url}/redirect`, {
      dispatcher: dispatcher.compose(interceptors.redirect({ maxRedirections: 2 })),
    })
    expect([redirected.statusCode, await redirected.body.json()]).toEqual([200, { method: 'GET', path: '/' }])
    const trailers = await undiciRequest(`${origin.url}/trailers`, { dispatcher })
    await trailers.body.dump()
    expect(trailers.trailers).toEqual({ 'x-checksum': 'abc123' })
  })

  it('upgrades by extended CONNECT (RFC 9220), on the connection that all share', async () => {
    const { tunnel } = await openTunnel(transport, origin.url, 'websocket')
    tunnel.write('over')
    const [chunk] = (await once(tunnel, 'data')) as [Buffer] // no encoding was set
    expect(chunk.toString()).toBe('over')
    // Larger than any window.
    const body = bodyOf(2_000_000)
    const received: Buffer[] = []
    tunnel.on('data', (piece: Buffer) => received.push(piece))
    tunnel.end(body)
    await once(tunnel, 'end')
    expect(sha256(Buffer.concat(received))).toBe(sha256(body))
    const after = await transport.request(`${origin.url}/`)
    await after.dump()
    expect(after.info.reused).toBe(true)
    expect(transport.stats().pools[0]?.opened).toMatchObject({ full: 1 })
  })

  it("is what undici's WebSocket needs", async () => {
    const seen: string[] = []
    const listener = await listenQuic({
      address: { host: '127.0.0.1', port: 0 },
      tls: { cert: tls.cert, key: tls.key },
      handler: exchange => {
        seen.push(`${exchange.method} ${exchange.path} ${exchange.upgrade}`)
        const tunnel = exchange.acceptUpgrade(101, [])
        tunnel.on('error', () => {}) // a client may go at any time
        // A frame of text, masked by the client, is answered with one that says so.
        tunnel.once('data', () => tunnel.write(Buffer.from('\x81\x0bhello back!', 'latin1')))
      },
    })
    const webSocket = new WebSocket(`wss://localhost:${listener.port}/chat`, {
      dispatcher: transport.dispatcher(),
    })
    const answer = await new Promise((resolve, reject) => {
      webSocket.onopen = () => webSocket.send('hello')
      webSocket.onmessage = ({ data }) => resolve(data)
      webSocket.onerror = event => reject(event.error)
    })
    expect(answer).toBe('hello back!')
    expect(seen).toEqual(['GET /chat websocket'])
    webSocket.close()
    await listener.close()
  })
})
