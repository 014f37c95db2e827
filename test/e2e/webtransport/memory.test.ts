import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { WebTransportSession } from '../../../src/index.ts'
import { bytesOfStream, echoStreams, sessionWorld, untilEnd, writeAll } from './session-world.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void // there since the flag is set

/** After a collection, in bytes. */
async function heapUsed(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setTimeout(resolve, 50)) // what is due runs first
    collect()
  }
  return process.memoryUsage().heapUsed
}

async function openAndClose(open: () => WebTransportSession, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const session = open()
    const { readable, writable } = await session.createBidirectionalStream()
    await writeAll(writable, Buffer.from('hello'))
    expect((await bytesOfStream(readable)).length).toBe(5)
    session.close({ closeCode: i })
    await session.closed
  }
}

test('300 sessions one after the other share one connection and leave nothing behind', async () => {
  const world = await sessionWorld(session => void echoStreams(session))
  await openAndClose(() => world.open(), 60)
  const before = await heapUsed()
  world.accepted.length = 0
  await openAndClose(() => world.open(), 300)
  world.accepted.length = 0
  expect((await heapUsed()) - before).toBeLessThan(4_000_000)
  expect(world.origin.connectionsSeen()).toBe(1)
})

test('2,000 streams each way leave nothing behind', async () => {
  const world = await sessionWorld(session => {
    void echoStreams(session)
    void untilEnd(session.incomingUnidirectionalStreams, async readable => {
      const bytes = await bytesOfStream(readable)
      await writeAll(await session.createUnidirectionalStream({ waitUntilAvailable: true }), bytes)
    })
  })
  const session = world.open()
  await session.ready
  const incoming = session.incomingUnidirectionalStreams.getReader()
  const carry = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await writeAll(
        await session.createUnidirectionalStream({ waitUntilAvailable: true }),
        Buffer.from('one way'),
      )
      const { value } = await incoming.read()
      expect((await bytesOfStream(value!)).length).toBe(7)
      const { readable, writable } = await session.createBidirectionalStream({ waitUntilAvailable: true })
      await writeAll(writable, Buffer.from('both ways'))
      expect((await bytesOfStream(readable)).length).toBe(9)
    }
  }
  await carry(300)
  const before = await heapUsed()
  await carry(2_000)
  expect((await heapUsed()) - before).toBeLessThan(4_000_000)
})
