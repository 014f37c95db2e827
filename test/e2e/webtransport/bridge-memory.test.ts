import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { volume } from '../../support/volume.ts'
import { bridgeWorld } from './bridge-world.ts'
import { bytesOfStream, echoStreams, untilEnd, writeAll } from './session-world.ts'

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

test('sessions that come and go leave nothing behind in client, connector and origin', async () => {
  const world = await bridgeWorld(session => void echoStreams(session))
  const carry = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const session = world.open()
      const { readable, writable } = await session.createBidirectionalStream()
      await writeAll(writable, Buffer.from('hello'))
      expect((await bytesOfStream(readable)).length).toBe(5)
      session.close({ closeCode: i })
      await session.closed
    }
    world.accepted.length = 0
  }
  await carry(60)
  const before = await heapUsed()
  await carry(volume(100, 300))
  expect((await heapUsed()) - before).toBeLessThan(4_000_000)
  expect(world.origin.connectionsSeen()).toBe(1)
})

test('streams each way leave nothing behind', async () => {
  const world = await bridgeWorld(session => {
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
      const oneWay = await session.createUnidirectionalStream({ waitUntilAvailable: true })
      await writeAll(oneWay, Buffer.from('one way'))
      const { value } = await incoming.read()
      expect((await bytesOfStream(value!)).length).toBe(7)
      const { readable, writable } = await session.createBidirectionalStream({ waitUntilAvailable: true })
      await writeAll(writable, Buffer.from('both ways'))
      expect((await bytesOfStream(readable)).length).toBe(9)
    }
  }
  await carry(300)
  const before = await heapUsed()
  await carry(volume(300, 10_000))
  expect((await heapUsed()) - before).toBeLessThan(4_000_000)
}, 600_000)
