import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { WebTransportError } from '../../../src/index.ts'
import { until, untilSteady } from '../../support/until.ts'
import { bytesOfStream, echoStreams, sessionWorld, untilEnd, writeAll } from './session-world.ts'

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('a bidirectional stream carries 2 MB there and back unchanged', async () => {
  const world = await sessionWorld(session => void echoStreams(session))
  const session = world.open()
  await session.ready
  const bytes = randomBytes(2_000_000)
  const { readable, writable } = await session.createBidirectionalStream()
  const [echoed] = await Promise.all([bytesOfStream(readable), writeAll(writable, bytes)])
  expect(hash(echoed)).toBe(hash(bytes))
})

test('a unidirectional stream goes each way', async () => {
  const received: Buffer[] = []
  const world = await sessionWorld(session =>
    untilEnd(session.incomingUnidirectionalStreams, async stream => {
      received.push(await bytesOfStream(stream))
      await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the origin'))
    }),
  )
  const session = world.open()
  await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the client'))
  const { value } = await session.incomingUnidirectionalStreams.getReader().read()
  expect(String(await bytesOfStream(value!))).toBe('from the origin')
  expect(received.map(String)).toEqual(['from the client'])
})

test('an origin opens streams in both directions, and an end long behind the last byte arrives', async () => {
  const answers: string[] = []
  const world = await sessionWorld(async session => {
    const { readable, writable } = await session.createBidirectionalStream()
    const writer = writable.getWriter()
    await writer.write(Buffer.from('question'))
    await new Promise(resolve => setTimeout(resolve, 200)) // everything is acknowledged
    await writer.close()
    answers.push(String(await bytesOfStream(readable)))
  })
  const session = world.open()
  const { value } = await session.incomingBidirectionalStreams.getReader().read()
  expect(String(await bytesOfStream(value!.readable))).toBe('question')
  const writer = value!.writable.getWriter()
  await writer.write(Buffer.from('answer'))
  await new Promise(resolve => setTimeout(resolve, 100))
  await writer.close()
  await until(() => answers.length === 1, 'the answer')
  expect(answers).toEqual(['answer'])
})

test('a hundred streams whose ends come alone, in the middle of traffic, all end', async () => {
  const world = await sessionWorld(session => void echoStreams(session))
  const session = world.open()
  await session.ready
  const echoes = Array.from({ length: 100 }, async (_, i) => {
    const { readable, writable } = await session.createBidirectionalStream({ waitUntilAvailable: true })
    const writer = writable.getWriter()
    await writer.write(Buffer.from(`stream ${i}`))
    await new Promise(resolve => setTimeout(resolve, (i * 7) % 60))
    await writer.close()
    return String(await bytesOfStream(readable))
  })
  expect(await Promise.all(echoes)).toEqual(Array.from({ length: 100 }, (_, i) => `stream ${i}`))
})

test('codes of resets and stops arrive as they were given', async () => {
  const codes: [string, number | null][] = []
  let hasRead = false
  const world = await sessionWorld(session =>
    untilEnd(session.incomingBidirectionalStreams, async ({ readable, writable }) => {
      const reader = readable.getReader()
      await reader.read()
      hasRead = true
      await reader.read().catch((error: WebTransportError) => codes.push(['reset', error.streamErrorCode]))
      await writable.abort(new WebTransportError('MM_ABORTED', 'enough', { streamErrorCode: 0xffff_ffff }))
      const second = await session.createUnidirectionalStream()
      const writer = second.getWriter()
      await writer.write(Buffer.from('x'))
      await writer.closed.catch((error: WebTransportError) => codes.push(['stopped', error.streamErrorCode]))
    }),
  )
  const session = world.open()
  const { readable, writable } = await session.createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(Buffer.from('first'))
  await until(() => hasRead, 'the first bytes') // a reset throws away what has not arrived
  await writer.abort(new WebTransportError('MM_ABORTED', 'no more', { streamErrorCode: 42 }))
  await expect(bytesOfStream(readable)).rejects.toMatchObject({
    code: 'MM_STREAM_RESET',
    source: 'stream',
    streamErrorCode: 0xffff_ffff,
  })
  const { value } = await session.incomingUnidirectionalStreams.getReader().read()
  await value!.cancel(new WebTransportError('MM_ABORTED', 'not wanted', { streamErrorCode: 30 }))
  await until(() => codes.length === 2, 'both codes')
  expect(codes).toEqual([
    ['reset', 42],
    ['stopped', 30],
  ])
})

test('a writer whose stream nobody reads stops within a window, and goes on when it is read', async () => {
  const world = await sessionWorld()
  const session = world.open()
  const writer = (await session.createUnidirectionalStream()).getWriter()
  let written = 0
  const write = async (): Promise<void> => {
    for (let i = 0; i < 500; i++) {
      await writer.write(Buffer.alloc(16_384, i))
      written += 16_384
    }
    await writer.close()
  }
  const writing = write()
  await until(() => written > 30_000, 'the first chunks')
  expect(await untilSteady(() => written, 'what was written', 60)).toBeLessThan(2_000_000)
  const { value } = await world.accepted[0]!.incomingUnidirectionalStreams.getReader().read()
  expect((await bytesOfStream(value!)).length).toBe(500 * 16_384)
  await writing
})

test('bytes are read into the memory of a reader that brings its own', async () => {
  const world = await sessionWorld(async session =>
    writeAll(await session.createUnidirectionalStream(), Buffer.from('abcdef')),
  )
  const { value } = await world.open().incomingUnidirectionalStreams.getReader().read()
  const reader = value!.getReader({ mode: 'byob' })
  const first = await reader.read(new Uint8Array(4))
  expect(String(Buffer.from(first.value!))).toBe('abcd')
  const second = await reader.read(new Uint8Array(4))
  expect(String(Buffer.from(second.value!))).toBe('ef')
  expect((await reader.read(new Uint8Array(4))).done).toBe(true)
})

test('a stream without a byte is accepted and ends', async () => {
  const world = await sessionWorld()
  const session = world.open()
  await (await session.createUnidirectionalStream()).getWriter().close()
  await until(() => world.accepted.length === 1, 'the session')
  const { value } = await world.accepted[0]!.incomingUnidirectionalStreams.getReader().read()
  expect((await bytesOfStream(value!)).length).toBe(0)
})

test('one more stream than the peer allows is refused, or waits for its turn', async () => {
  const world = await sessionWorld(() => {}, { maxConcurrentStreams: 4 })
  const session = world.open()
  await session.ready
  const opened = []
  for (let i = 0; i < 3; i++) opened.push(await session.createBidirectionalStream())
  await expect(session.createBidirectionalStream()).rejects.toMatchObject({ code: 'MM_REFUSED' })
  const waiting = session.createBidirectionalStream({ waitUntilAvailable: true })
  const [first] = opened
  await first!.writable.getWriter().close()
  const reader = world.accepted[0]!.incomingBidirectionalStreams.getReader()
  const { value } = await reader.read()
  await bytesOfStream(value!.readable)
  await value!.writable.getWriter().close()
  await bytesOfStream(first!.readable)
  await expect(waiting).resolves.toBeDefined()
})

test('a stream that is stopped before its first byte has left gives its credit back, once it ends', async () => {
  const world = await sessionWorld(
    session =>
      untilEnd(
        session.incomingBidirectionalStreams,
        ({ readable }) => void bytesOfStream(readable).catch(() => {}),
      ),
    { maxConcurrentStreams: 20 },
  )
  const session = world.open()
  await session.ready
  for (let round = 0; round < 3; round++) {
    while (session.mayOpen('bidirectional')) {
      const { readable, writable } = await session.createBidirectionalStream()
      await readable.cancel()
      await writable.close()
    }
    await until(() => session.mayOpen('bidirectional'), 'credit')
  }
})

test('what was written and ended arrives though the peer was stopped, and has reset its own side', async () => {
  const received: number[] = []
  const world = await sessionWorld(session =>
    untilEnd(session.incomingBidirectionalStreams, async ({ readable, writable }) => {
      await writable.abort()
      received.push((await bytesOfStream(readable)).length)
    }),
  )
  const session = world.open()
  await session.ready
  const { readable, writable } = await session.createBidirectionalStream()
  const sent = writeAll(writable, Buffer.alloc(2_000_000))
  await readable.cancel()
  await sent
  await until(() => received.length === 1, 'the end of the stream')
  expect(received).toEqual([2_000_000])
})
