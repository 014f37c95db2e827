import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { bytesOfStream, echoStreams, sessionWorld, writeAll } from './session-world.ts'

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
  const world = await sessionWorld(async session => {
    for await (const stream of session.incomingUnidirectionalStreams) {
      received.push(await bytesOfStream(stream))
      await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the origin'))
    }
  })
  const session = world.open()
  await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the client'))
  const { value } = await session.incomingUnidirectionalStreams.getReader().read()
  expect(String(await bytesOfStream(value!))).toBe('from the origin')
  expect(received.map(String)).toEqual(['from the client'])
})
