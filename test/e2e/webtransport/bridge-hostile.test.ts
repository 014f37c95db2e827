import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import type { Http3Peer } from '../../support/http3-peer.ts'
import { connectHttp3Peer } from '../../support/http3-peer-client.ts'
import { CODE, data, headers, varint } from '../../support/http3-wire.ts'
import { volume } from '../../support/volume.ts'
import { type BridgeWorld, bridgeWorld } from './bridge-world.ts'
import { bytesOfStream, echoStreams, writeAll } from './session-world.ts'

/** Extended CONNECT, HTTP datagrams, and WebTransport of draft 02. */
const SETTINGS = [
  [0x08, 1],
  [0x33, 1],
  [0x2b60_3742, 1],
] as const
const SESSION_GONE = 0x170d_7b68

function client(world: BridgeWorld): Promise<Http3Peer> {
  return connectHttp3Peer(world.connector.port, { ca: world.identity.ca, settings: SETTINGS })
}

/** The stream of a CONNECT that was accepted. */
async function session(peer: Http3Peer): Promise<number> {
  const request = headers(
    [':method', 'CONNECT'],
    [':protocol', 'webtransport'],
    [':scheme', 'https'],
    [':authority', 'localhost'],
    [':path', '/'],
  )
  const stream = peer.openRequest(request, false)
  await peer.until(() => (peer.streams.get(stream)?.byteCount ?? 0) > 0, 'the answer')
  return stream
}

/** What comes of a request of somebody else. */
async function expectService(world: BridgeWorld): Promise<void> {
  const other = world.open()
  await other.ready
  const { readable, writable } = await other.createBidirectionalStream()
  await writeAll(writable, Buffer.from('still here'))
  expect(String(await bytesOfStream(readable))).toBe('still here')
  other.close()
}

const capsule = (type: number, payload: Uint8Array, length = payload.length): Buffer =>
  data(Buffer.concat([varint(type), varint(length), payload]))

test.each([
  ['a close without a code', capsule(0x2843, Buffer.of(1))],
  ['a close with more than 1024 bytes of reason', capsule(0x2843, Buffer.alloc(1_029))],
  ['a drain with a payload', capsule(0x78ae, Buffer.of(1))],
  ['a limit that is no integer', capsule(0x190b_4d3d, Buffer.of(0x40))],
  ['a limit with bytes behind it', capsule(0x190b_4d3f, Buffer.of(1, 1))],
])('%s ends the session of its client, here and at the origin, and nothing else', async (_what, bytes) => {
  const world = await bridgeWorld(accepted => void echoStreams(accepted))
  await using peer = await client(world)
  const broken = await session(peer)
  const other = await session(peer)
  peer.send(broken, bytes)
  await peer.until(() => peer.streams.get(broken)?.resetCode !== undefined, 'the reset')
  await expect(world.accepted[0]!.closed).rejects.toBeInstanceOf(Error)
  expect(peer.streams.get(other)?.resetCode).toBeUndefined()
  expect(peer.end).toBeUndefined()
  await expectService(world)
})

test('a stream for no session, and one for no request, are refused as the draft says', async () => {
  const world = await bridgeWorld(accepted => void echoStreams(accepted))
  await using peer = await client(world)
  const over = await session(peer)
  peer.send(over, capsule(0x2843, Buffer.alloc(4)), true)
  await world.accepted[0]!.closed
  await peer.until(() => peer.streams.get(over)?.isEnded === true, 'the end')
  const late = peer.openRequest(Buffer.concat([varint(0x41), varint(over)]), false)
  await peer.until(() => peer.streams.get(late)?.resetCode !== undefined, 'the reset')
  expect(peer.streams.get(late)?.resetCode).toBe(SESSION_GONE)
  peer.openRequest(Buffer.concat([varint(0x41), varint(3)]), false)
  expect((await peer.untilClosedByPeer()).code).toBe(CODE.H3_ID_ERROR)
  await expectService(world)
})

test('whatever a client sends in a session, others are served', async () => {
  const world = await bridgeWorld(accepted => void echoStreams(accepted))
  const random = seededRandom(7)
  const noise = (most: number): Buffer =>
    Buffer.from(Array.from({ length: 1 + Math.floor(random() * most) }, () => Math.floor(random() * 256)))
  for (let run = 0; run < volume(10, 200); run++) {
    await using peer = await client(world)
    const id = await session(peer)
    for (let i = 0; i < 10 && !peer.isClosed; i++) {
      peer.send(id, random() < 0.5 ? data(noise(40)) : noise(12))
      const { connection } = peer.link
      if (connection.streamsLeft('unidirectional') > 0)
        peer.openUnidirectional(Buffer.concat([varint(0x54), varint(id), noise(200)]), random() < 0.5)
      if (connection.streamsLeft('bidirectional') > 0)
        peer.openRequest(Buffer.concat([varint(0x41), noise(20)]), random() < 0.5)
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  await expectService(world)
}, 120_000)
