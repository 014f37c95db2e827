import { createHash, X509Certificate } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { until } from '../../support/until.ts'
import { bytesOfStream, echoStreams, sessionWorld, untilEnd, writeAll } from './session-world.ts'

test('five sessions and a request share one connection, and one that is closed leaves the others alone', async () => {
  const world = await sessionWorld(session => void echoStreams(session))
  const sessions = Array.from({ length: 5 }, () => world.open())
  await Promise.all(sessions.map(({ ready }) => ready))
  const response = await world.transport.request(`${world.origin.url}/bytes/10`)
  expect((await response.bytes()).length).toBe(10)
  sessions[2]!.close({ closeCode: 7, reason: 'enough' })
  await expect(world.accepted[2]!.closed).resolves.toEqual({ closeCode: 7, reason: 'enough' })
  for (const session of [sessions[0]!, sessions[4]!]) {
    const { readable, writable } = await session.createBidirectionalStream()
    await writeAll(writable, Buffer.from('still here'))
    expect(String(await bytesOfStream(readable))).toBe('still here')
  }
  expect(world.origin.connectionsSeen()).toBe(1)
})

test('the first session drains a connection that was opened without WebTransport', async () => {
  const world = await sessionWorld()
  await (await world.transport.request(`${world.origin.url}/bytes/1`)).dump()
  await world.open().ready
  await (await world.transport.request(`${world.origin.url}/bytes/1`)).dump()
  expect(world.origin.connectionsSeen()).toBe(2)
})

test('close codes and reasons go both ways, and streams end with the session', async () => {
  const world = await sessionWorld(async session => {
    await session.incomingUnidirectionalStreams.getReader().read()
    session.close({ closeCode: 4_000_000_000, reason: 'grüße' })
  })
  const session = world.open()
  const stream = await session.createUnidirectionalStream()
  const writer = stream.getWriter()
  await writer.write(Buffer.from('x'))
  await expect(session.closed).resolves.toEqual({ closeCode: 4_000_000_000, reason: 'grüße' })
  await expect(writer.closed).rejects.toMatchObject({ code: 'MM_WEBTRANSPORT_CLOSED', source: 'session' })
  await expect(session.createUnidirectionalStream()).rejects.toMatchObject({ code: 'MM_WEBTRANSPORT_CLOSED' })
  await expect(world.accepted[0]!.closed).resolves.toEqual({ closeCode: 4_000_000_000, reason: 'grüße' })
})

test('datagrams go both ways, and one that is too long is dropped and counted', async () => {
  const world = await sessionWorld(session => {
    const writer = session.datagrams.writable.getWriter()
    void untilEnd(session.datagrams.readable, bytes =>
      writer.write(Buffer.concat([Buffer.from('re: '), bytes])),
    )
  })
  const session = world.open()
  await session.ready
  const { maxDatagramSize } = session.datagrams
  expect(maxDatagramSize).toBeGreaterThan(1_000)
  const writer = session.datagrams.writable.getWriter()
  await writer.write(Buffer.alloc(maxDatagramSize + 1))
  await writer.write(Buffer.from('hello'))
  const { value } = await session.datagrams.readable.getReader().read()
  expect(String(Buffer.from(value!))).toBe('re: hello')
  const stats = await session.getStats()
  expect(stats.datagrams).toEqual({ droppedIncoming: 0, expiredOutgoing: 0, oversizedOutgoing: 1 })
  expect(stats.packetsSent).toBeGreaterThan(0)
})

test('of datagrams that nobody reads the newest are kept', async () => {
  const world = await sessionWorld()
  const session = world.open()
  await session.ready
  await until(() => world.accepted.length === 1, 'the session')
  const [accepted] = world.accepted
  accepted!.datagrams.incomingHighWaterMark = 3
  const writer = session.datagrams.writable.getWriter()
  for (let i = 0; i < 20; i++) await writer.write(Buffer.from([i]))
  await expect.poll(async () => (await accepted!.getStats()).datagrams.droppedIncoming).toBe(17)
  const reader = accepted!.datagrams.readable.getReader()
  const kept = [(await reader.read()).value, (await reader.read()).value, (await reader.read()).value]
  expect(kept.map(bytes => bytes![0])).toEqual([17, 18, 19])
})

test('both sides agree on a protocol, and headers reach the origin', async () => {
  const world = await sessionWorld()
  const session = world.transport.webTransport(`${world.origin.url}/app?x=1`, {
    protocols: ['chat-2', 'chat-1'],
    headers: { 'x-token': 'abc' },
  })
  await session.ready
  expect(session.protocol).toBe('chat-2')
  expect(session.reliability).toBe('supports-unreliable')
  expect(world.accepted[0]!.headers['x-token']).toBe('abc')
})

test('an origin that drains tells its sessions, which go on', async () => {
  const world = await sessionWorld(session => void echoStreams(session))
  const session = world.open()
  await session.ready
  const drained = world.origin.drain()
  await session.draining
  const { readable, writable } = await session.createBidirectionalStream()
  await writeAll(writable, Buffer.from('late'))
  expect(String(await bytesOfStream(readable))).toBe('late')
  session.close()
  await world.transport.close()
  await drained
})

test('a session that is lost rejects with what happened to its connection', async () => {
  const world = await sessionWorld()
  const session = world.open()
  const { readable } = await session.createBidirectionalStream()
  await world.origin.close()
  await expect(session.closed).rejects.toMatchObject({ name: 'WebTransportError', source: 'session' })
  await expect(bytesOfStream(readable)).rejects.toMatchObject({ source: 'session' })
})

test('an origin without WebTransport, without HTTP/3, or that is spoken to without it, is named as such', async () => {
  const authority = await createCertificateAuthority()
  const without = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }) })
  await using h3 = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
  await expect(h3.webTransport(without.url).ready).rejects.toMatchObject({
    code: 'MM_WEBTRANSPORT_UNAVAILABLE',
    message: expect.stringContaining('its SETTINGS name no draft of WebTransport'),
  })
  const quick = await startQuickOrigin()
  await using transport = createTransport({ defaults: { timeouts: { connectMs: 300 } } })
  await expect(transport.webTransport(`https://localhost:${quick.port}/`).ready).rejects.toMatchObject({
    code: 'MM_WEBTRANSPORT_UNAVAILABLE',
    message: expect.stringContaining('cannot be reached over HTTP/3'),
  })
  await using tcpOnly = createTransport({ defaults: { protocols: ['h2'] } })
  await expect(tcpOnly.webTransport('https://localhost:1/').closed).rejects.toMatchObject({
    code: 'MM_WEBTRANSPORT_UNAVAILABLE',
    message: expect.stringContaining('has no h3'),
  })
  await quick.close()
  await without.close()
  expect(() => tcpOnly.webTransport('http://localhost/')).toThrow(/https/)
})

test('an origin that says no is named with its status', async () => {
  const world = await sessionWorld(() => {}, { acceptsSession: path => path !== '/private' })
  await expect(world.open('/private').ready).rejects.toMatchObject({
    code: 'MM_WEBTRANSPORT_REFUSED',
    message: expect.stringContaining('403'),
  })
  await world.open('/other').ready
})

test('a signal ends the opening with its reason, and a session that was given up is none', async () => {
  const world = await sessionWorld()
  const session = world.transport.webTransport(`${world.origin.url}/`, { signal: AbortSignal.abort() })
  await expect(session.ready).rejects.toMatchObject({ code: 'MM_ABORTED' })
  const other = world.open()
  other.close()
  await expect(other.closed).rejects.toMatchObject({ code: 'MM_ABORTED' })
})

test('a probe reads what SETTINGS say of WebTransport, and explain knows it', async () => {
  const world = await sessionWorld()
  const { http3 } = await world.transport.probe(world.origin.url)
  const drafts = ['draft-02', 'draft-07', 'draft-13', 'draft-15']
  expect(http3[0]?.handshake).toMatchObject({ found: { webTransport: drafts } })
  const { known } = await world.transport.explain(world.origin.url)
  expect(known.map(({ fact }) => fact)).toContain(`offers WebTransport (${drafts.join(', ')})`)
})

test('explain says what SETTINGS said of WebTransport', async () => {
  const world = await sessionWorld()
  await world.open().ready
  const { known } = await world.transport.explain(world.origin.url)
  expect(known.map(({ fact }) => fact)).toContain(
    'offers WebTransport (draft-02, draft-07, draft-13, draft-15)',
  )
})

test('what was agreed on can be read when the session is over, and drain() reaches the peer', async () => {
  const world = await sessionWorld(undefined, {})
  const session = world.transport.webTransport(`${world.origin.url}/session`, { protocols: ['chat-1'] })
  await session.ready
  world.accepted[0]!.drain()
  await session.draining
  session.close()
  await session.closed
  expect([session.protocol, world.accepted[0]!.protocol]).toEqual(['chat-1', 'chat-1'])
  expect(session.mayOpen('unidirectional')).toBe(false)
  await world.accepted[0]!.closed
  world.accepted[0]!.drain()
})

test('a certificate is taken by its hash whoever issued it, and no other one, resumed or not', async () => {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['elsewhere.example'] })
  const origin = await startHttp3Origin({ tls })
  onTestFinished(() => origin.close())
  const hash = createHash('sha256').update(new X509Certificate(tls.cert).raw).digest('hex')
  const status = async (certificateHashes: string[]): Promise<unknown> => {
    const trusted = { ca: authority.cert, certificateHashes }
    await using transport = createTransport({
      defaults: { protocols: ['h3'], tls: trusted, pool: { maxRequests: 1 } },
    })
    const codes: unknown[] = []
    for (let i = 0; i < 2; i++) {
      const response = await transport.request(origin.url).catch((error: { code: string }) => error.code)
      if (typeof response === 'string') codes.push(response)
      else {
        await response.dump()
        codes.push(response.info.resumed)
      }
    }
    return codes
  }
  expect(await status(['00'.repeat(32), hash])).toEqual([false, true])
  expect(await status(['00'.repeat(32)])).toEqual(['MM_TLS_CERTIFICATE', 'MM_TLS_CERTIFICATE'])
})
