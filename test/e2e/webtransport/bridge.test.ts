import { expect, test } from 'vitest'
import type { WebTransportSession } from '../../../src/index.ts'
import { until } from '../../support/until.ts'
import { scrape } from '../../support/worker-service.ts'
import { bridgeWorld } from './bridge-world.ts'
import { bytesOfStream, echoStreams, untilEnd, writeAll } from './session-world.ts'

const EIGHT_MIB = 8 * 1024 * 1024

test('streams of either kind that either side opens go through whole', async () => {
  const world = await bridgeWorld(async session => {
    void echoStreams(session)
    await untilEnd(session.incomingUnidirectionalStreams, async readable => {
      const bytes = await bytesOfStream(readable)
      await writeAll(await session.createUnidirectionalStream(), bytes)
      const both = await session.createBidirectionalStream()
      await writeAll(both.writable, Buffer.from('question'))
      session.close({ closeCode: 3, reason: String(await bytesOfStream(both.readable)) })
    })
  })
  const session = world.open()
  await session.ready
  const bytes = Buffer.alloc(300_000, 'abcdefg')
  const { readable, writable } = await session.createBidirectionalStream()
  const [echo] = await Promise.all([bytesOfStream(readable), writeAll(writable, bytes)])
  expect(echo.equals(bytes)).toBe(true)
  await writeAll(await session.createUnidirectionalStream(), bytes)
  const { value: oneWay } = await session.incomingUnidirectionalStreams.getReader().read()
  expect((await bytesOfStream(oneWay!)).equals(bytes)).toBe(true)
  const { value: asked } = await session.incomingBidirectionalStreams.getReader().read()
  expect(String(await bytesOfStream(asked!.readable))).toBe('question')
  await writeAll(asked!.writable, Buffer.from('answer'))
  await expect(session.closed).resolves.toEqual({ closeCode: 3, reason: 'answer' })
})

test('close codes and reasons go both ways', async () => {
  const world = await bridgeWorld((session, path) => {
    if (path === '/now') session.close({ closeCode: 4_000_000_000, reason: 'grüße' })
  })
  await expect(world.open('/now').closed).resolves.toEqual({ closeCode: 4_000_000_000, reason: 'grüße' })
  const session = world.open()
  await session.ready
  session.close({ closeCode: 7, reason: 'bye' })
  await expect(world.accepted[1]!.closed).resolves.toEqual({ closeCode: 7, reason: 'bye' })
})

test('datagrams go both ways; one that fits into no packet is dropped and counted', async () => {
  const world = await bridgeWorld(session => {
    const writer = session.datagrams.writable.getWriter()
    void untilEnd(session.datagrams.readable, bytes =>
      writer.write(Buffer.concat([Buffer.from('re: '), bytes])),
    )
  })
  const session = world.open()
  await session.ready
  const writer = session.datagrams.writable.getWriter()
  const reader = session.datagrams.readable.getReader()
  for (const text of ['one', 'two', 'three']) {
    await writer.write(Buffer.from(text))
    expect(String(Buffer.from((await reader.read()).value!))).toBe(`re: ${text}`)
  }
  // The answer is longer than a packet.
  await writer.write(Buffer.alloc(session.datagrams.maxDatagramSize))
  await writer.write(Buffer.from('four'))
  expect(String(Buffer.from((await reader.read()).value!))).toBe('re: four')
})

test('resets and stops arrive with their codes, each on its own side of a stream', async () => {
  const seen: unknown[] = []
  const codeOf = (error: { streamErrorCode: number | null }): number | null => error.streamErrorCode
  const world = await bridgeWorld(session => {
    void untilEnd(session.incomingBidirectionalStreams, async ({ readable, writable }) => {
      const reader = readable.getReader()
      const writer = writable.getWriter()
      const { value } = await reader.read()
      const text = String(Buffer.from(value!))
      await writer.write(Buffer.from('seen'))
      // What a reset overtakes is lost, and the client waits for it.
      await reader.read().catch(error => seen.push(['reset', codeOf(error)]))
      if (text === 'i stop') await writer.closed.catch(error => seen.push(['stopped', codeOf(error)]))
      if (text === 'you reset') await writer.abort({ streamErrorCode: 0xffff_ffff })
      if (text === 'you stop') await reader.cancel({ streamErrorCode: 30 })
    })
  })
  const session = world.open()
  await session.ready
  const ask = async (text: string) => {
    const { readable, writable } = await session.createBidirectionalStream()
    const [reader, writer] = [readable.getReader(), writable.getWriter()]
    await writer.write(Buffer.from(text))
    expect(String(Buffer.from((await reader.read()).value!))).toBe('seen')
    if (text !== 'i reset') await writer.write(Buffer.from('go on'))
    return { reader, writer }
  }
  await (await ask('i reset')).writer.abort({ streamErrorCode: 29 })
  await (await ask('i stop')).reader.cancel({ streamErrorCode: 31 })
  await expect((await ask('you reset')).reader.read()).rejects.toMatchObject({
    code: 'MM_STREAM_RESET',
    streamErrorCode: 0xffff_ffff,
  })
  await expect((await ask('you stop')).writer.closed).rejects.toMatchObject({ streamErrorCode: 30 })
  await until(() => seen.length === 2, 'the codes at the origin')
  expect(seen).toEqual([
    ['reset', 29],
    ['stopped', 31],
  ])
})

test('an unread stream stops its writer within the windows of both legs', async () => {
  const unread: WebTransportSession[] = []
  const world = await bridgeWorld(session => void unread.push(session))
  const session = world.open()
  await session.ready
  const writer = (await session.createUnidirectionalStream()).getWriter()
  let written = 0
  const write = async (): Promise<void> => {
    for (let i = 0; i < 2_000; i++) {
      await writer.write(Buffer.alloc(16_384))
      written += 16_384
    }
    await writer.close()
  }
  const writing = write()
  let before = -1
  while (written !== before) {
    before = written
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  expect(written).toBeGreaterThan(100_000)
  expect(written).toBeLessThan(EIGHT_MIB)
  const { value } = await unread[0]!.incomingUnidirectionalStreams.getReader().read()
  expect((await bytesOfStream(value!)).length).toBe(2_000 * 16_384)
  await writing
})

test('a client has no more streams at the origin than that allows, and the next one waits for its turn', async () => {
  const world = await bridgeWorld(() => {}, { origin: { maxConcurrentStreams: 4 } })
  const session = world.open()
  await session.ready
  const streams = []
  for (let i = 0; i < 6; i++) {
    const { writable, readable } = await session.createBidirectionalStream()
    const writer = writable.getWriter()
    await writer.write(Buffer.from([i]))
    streams.push({ writer, readable })
  }
  const accepting = world.accepted[0]!.incomingBidirectionalStreams.getReader()
  const taken = []
  // One is the session's own.
  for (let i = 0; i < 3; i++) taken.push((await accepting.read()).value!)
  const next = accepting.read()
  await expect(Promise.race([next, new Promise(resolve => setTimeout(resolve, 200, 'none'))])).resolves.toBe(
    'none',
  )
  for (const { writer } of streams) await writer.close()
  await bytesOfStream(taken[0]!.readable)
  await taken[0]!.writable.getWriter().close()
  expect(await bytesOfStream((await next).value!.readable)).toEqual(Buffer.from([3]))
})

test('the protocol is the choice of the origin, and fields go through as those of requests', async () => {
  const headers: Record<string, string | string[]>[] = []
  const world = await bridgeWorld(session => void headers.push(session.headers), {
    service: {
      routes: [
        {
          path: '/public/',
          origin: 'app',
          rewrite: { path: '/inner/' },
          requestFields: { set: { 'x-route': 'yes' }, remove: ['x-secret'] },
          responseFields: { set: { 'x-answered': 'yes' } },
        },
      ],
    },
  })
  const session = world.open('/public/a?b=1', {
    protocols: ['chat-2', 'chat-1'],
    headers: { 'x-secret': 'abc', 'x-token': 'def' },
  })
  await session.ready
  expect(session.protocol).toBe('chat-2')
  expect(session.headers).toMatchObject({ 'x-answered': 'yes', via: expect.stringContaining('middlemile') })
  await until(() => headers.length === 1, 'the session at the origin')
  expect(headers[0]).toMatchObject({
    'x-token': 'def',
    'x-route': 'yes',
    forwarded: expect.stringContaining('for=127.0.0.1'),
    'sec-webtransport-http3-draft02': '1',
  })
  expect(headers[0]).not.toHaveProperty('x-secret')
})

test('five sessions of a client share one connection on each leg', async () => {
  const world = await bridgeWorld(session => void echoStreams(session))
  const sessions = Array.from({ length: 5 }, () => world.open())
  await Promise.all(sessions.map(({ ready }) => ready))
  sessions[2]!.close({ closeCode: 5 })
  await until(() => world.accepted.length === 5, 'all sessions')
  for (const session of [sessions[0]!, sessions[4]!]) {
    const { readable, writable } = await session.createBidirectionalStream()
    await writeAll(writable, Buffer.from('still here'))
    expect(String(await bytesOfStream(readable))).toBe('still here')
  }
  expect(world.origin.connectionsSeen()).toBe(1)
  const page = await scrape(world.connector)
  expect(page.sum('middlemile_webtransport_sessions', { origin: 'app' })).toBe(4)
  expect(page.sum('middlemile_ingress_sessions_total', { protocol: 'h3' })).toBe(1)
})
