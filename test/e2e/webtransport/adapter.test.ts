import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { until, untilSteady } from '../../support/until.ts'
import {
  installWebTransportPackage,
  type PackageSession,
  type WebTransportPackage,
} from '../../support/webtransport-package.ts'
import { packageWorld } from './package-world.ts'
import { bytesOfStream, untilEnd, writeAll } from './session-world.ts'

let installed: Awaited<ReturnType<typeof installWebTransportPackage>>
let loaded: WebTransportPackage
beforeAll(async () => {
  installed = await installWebTransportPackage()
  loaded = await installed.load()
  await loaded.quicheLoaded
})
afterAll(() => installed[Symbol.dispose]())

async function echo(session: PackageSession): Promise<void> {
  await untilEnd(session.incomingBidirectionalStreams, ({ readable, writable }) => {
    readable.pipeTo(writable).catch(() => {}) // of one stream
  })
}

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: Error) => error.message,
  )

describe.skipIf(requireQuic())('@fails-components/webtransport over middlemile/webtransport-quiche', () => {
  test('streams of both kinds, opened by either side, arrive whole', async () => {
    await using world = await packageWorld(loaded, async session => {
      void echo(session)
      await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the server'))
      await untilEnd(session.incomingUnidirectionalStreams, async readable => {
        const received = await bytesOfStream(readable)
        const { writable } = await session.createBidirectionalStream()
        await writeAll(writable, Buffer.from(`${received.length} bytes`))
      })
    })
    const session = world.open()
    await session.ready
    const sent = Buffer.alloc(1_000_000, 'abc')
    const { readable, writable } = await session.createBidirectionalStream()
    const [echoed] = await Promise.all([bytesOfStream(readable), writeAll(writable, sent)])
    expect(echoed.equals(sent)).toBe(true)
    const uni = await session.incomingUnidirectionalStreams.getReader().read()
    expect(String(await bytesOfStream(uni.value!))).toBe('from the server')
    await writeAll(await session.createUnidirectionalStream(), sent)
    const answer = await session.incomingBidirectionalStreams.getReader().read()
    expect(String(await bytesOfStream(answer.value!.readable))).toBe('1000000 bytes')
  })

  test('a reader with a buffer of its own learns of the end of a stream', async () => {
    await using world = await packageWorld(loaded, async session => {
      await writeAll(await session.createUnidirectionalStream(), Buffer.from('abc'))
    })
    const session = world.open()
    await session.ready
    const { value } = await session.incomingUnidirectionalStreams.getReader().read()
    const reader = value!.getReader({ mode: 'byob' })
    const first = await reader.read(new Uint8Array(10))
    expect(String(Buffer.from(first.value!))).toBe('abc')
    await expect(reader.read(new Uint8Array(10))).resolves.toMatchObject({ done: true })
  })

  test('sessions that may be pooled share one QUIC connection, others have one each', async () => {
    await using world = await packageWorld(loaded, session => void echo(session))
    const connections = (): number => new Set(world.accepted.map(({ peerAddress }) => peerAddress)).size
    const pooled = Array.from({ length: 5 }, () => world.open('/session', { allowPooling: true }))
    await Promise.all(pooled.map(({ ready }) => ready))
    expect([world.accepted.length, connections()]).toEqual([5, 1])
    pooled[2]!.close()
    const { readable, writable } = await pooled[4]!.createBidirectionalStream()
    await writeAll(writable, Buffer.from('still here'))
    expect(String(await bytesOfStream(readable))).toBe('still here')
    const alone = [world.open(), world.open()]
    await Promise.all(alone.map(({ ready }) => ready))
    expect(connections()).toBe(3)
  })

  test('close codes and reasons go both ways', async () => {
    await using world = await packageWorld(loaded)
    const [one, other] = [world.open(), world.open()]
    await Promise.all([one.ready, other.ready])
    one.close({ closeCode: 77, reason: 'done' })
    await expect(world.accepted[0]!.closed).resolves.toEqual({ closeCode: 77, reason: 'done' })
    await expect(one.closed).resolves.toEqual({ closeCode: 77, reason: 'done' })
    world.accepted[1]!.close({ closeCode: 4_000_000_000, reason: 'enough' })
    await expect(other.closed).resolves.toEqual({ closeCode: 4_000_000_000, reason: 'enough' })
  })

  test('a session that is to drain is told so, and its close code is still right', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    world.accepted[0]!.notifySessionDraining()
    await session.draining
    world.accepted[0]!.close({ closeCode: 3, reason: 'drained' })
    await expect(session.closed).resolves.toEqual({ closeCode: 3, reason: 'drained' })
  })

  test('the request callback sees protocols and fields, and decides', async () => {
    await using world = await packageWorld(loaded)
    world.server.setRequestCallback(async ({ header }) => {
      const [path, search = ''] = String(header[':path']).split('?')
      if (header[':authority'] !== `localhost:${world.port}` || search === 'no') return { status: 403, path }
      return {
        status: 200,
        path,
        userData: { search },
        selectedProtocol: header['wt-available-protocols']?.[1],
      }
    })
    const session = world.open('/session?user=1', { protocols: ['chat-1', 'chat_2'] })
    await session.ready
    expect(session.protocol).toBe('chat_2')
    expect(world.accepted[0]!.userData).toEqual({ search: 'user=1' })
    expect(await failure(world.open('/session?no').ready)).toBe('Opening handshake failed.')
    expect(await failure(world.open('/nowhere').ready)).toBe('Opening handshake failed.')
  })

  test('a wrong hash is refused though the chain validates, and nothing is tried over TCP', async () => {
    await using world = await packageWorld(loaded)
    let tcp = 0
    const listener = createServer(socket => {
      tcp++
      socket.destroy()
    })
    await new Promise<void>(resolve => listener.listen(world.port, '127.0.0.1', resolve))
    const hashes = (value: Uint8Array, algorithm = 'sha-256'): object => ({
      requireUnreliable: false,
      serverCertificateHashes: [{ algorithm, value }],
    })
    await world.open('/session', hashes(world.hash)).ready
    await world.open('/session', { ca: undefined, ...hashes(world.hash) }).ready
    const wrong = Buffer.from(world.hash)
    wrong[0] = wrong[0]! ^ 1
    for (const options of [hashes(wrong), hashes(world.hash, 'sha-512'), hashes(world.hash.subarray(1))])
      expect(await failure(world.open('/session', options).ready)).toBe('Opening handshake failed.')
    expect(tcp).toBe(0)
    await new Promise(resolve => listener.close(resolve))
  })

  test('without a hash the chain and the name count', async () => {
    await using world = await packageWorld(loaded)
    const other = await createCertificateAuthority()
    await world.open().ready
    for (const ca of [other.cert, undefined])
      expect(await failure(world.open('/session', { ca }).ready)).toBe('Opening handshake failed.')
    const elsewhere = new loaded.WebTransport(`https://127.0.0.1:${world.port}/session`, { ca: world.ca })
    elsewhere.closed.catch(() => {})
    expect(await failure(elsewhere.ready), 'it is for localhost').toBe('Opening handshake failed.')
  })

  test('a certificate that was updated is shown to who comes then', async () => {
    await using world = await packageWorld(loaded)
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['localhost'] })
    world.server.updateCert(cert, key)
    await expect.poll(() => failure(world.open('/session', { ca: authority.cert }).ready)).toBe('none')
    expect(await failure(world.open().ready)).toBe('Opening handshake failed.')
  })

  test('a writer waits for a reader that does not read, in both directions', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    await until(() => world.accepted.length === 1, 'a session')
    const held: object[] = []
    for (const end of [session, world.accepted[0]!])
      void untilEnd(end.incomingUnidirectionalStreams, stream => void held.push(stream))
    for (const end of [session, world.accepted[0]!]) {
      const writer = (await end.createUnidirectionalStream()).getWriter()
      let taken = 0
      const write = async (): Promise<void> => {
        for (let i = 0; i < 1_000; i++) {
          await writer.write(Buffer.alloc(8_192))
          taken += 8_192
        }
      }
      write().catch(() => {}) // the session ends below it
      await until(() => taken > 0, 'a first write')
      expect(await untilSteady(() => taken, 'what was taken')).toBeLessThan(3_000_000)
    }
  })

  test('codes of resets and stops go both ways, even while a write waits', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    const stream = await session.createBidirectionalStream()
    const writer = stream.writable.getWriter()
    const stuck = writer.write(Buffer.alloc(8_000_000))
    stuck.catch(() => {})
    const { value } = await world.accepted[0]!.incomingBidirectionalStreams.getReader().read()
    const reader = value!.readable.getReader()
    await reader.read()
    const reason = Object.assign(new Error('enough'), { code: 42 })
    await writer.abort(reason)
    const read = async (): Promise<void> => {
      while (!(await reader.read()).done);
    }
    expect(await failure(read())).toBe('Resetstream with code:42')
  })

  test('a stream that is stopped by its reader fails its writer with the code', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    const writer = (await session.createUnidirectionalStream()).getWriter()
    await writer.write(Buffer.from('first'))
    const { value } = await world.accepted[0]!.incomingUnidirectionalStreams.getReader().read()
    await value!.cancel(Object.assign(new Error('no'), { code: 7 }))
    expect(await failure(writer.closed)).toBe('StopSending with code:7')
  })

  test('what was written and ended arrives though its writer wants no answer', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    const { readable, writable } = await session.createBidirectionalStream()
    await readable.cancel()
    const sent = writeAll(writable, Buffer.alloc(3_000_000))
    const { value } = await world.accepted[0]!.incomingBidirectionalStreams.getReader().read()
    expect((await bytesOfStream(value!.readable)).length).toBe(3_000_000)
    await sent
  })

  test('streams beyond the limit of the peer are refused, or wait', async () => {
    await using world = await packageWorld(loaded, () => {}, { initialBidirectionalStreams: 4 })
    const session = world.open()
    await session.ready
    const streams = await Promise.all([0, 1, 2].map(() => session.createBidirectionalStream()))
    const refused = await session.createBidirectionalStream().catch((error: Error) => error)
    expect(refused).toMatchObject({ name: 'QuotaExceededError' })
    const waiting = session.createBidirectionalStream({ waitUntilAvailable: true })
    const accepted = world.accepted[0]!.incomingBidirectionalStreams.getReader()
    await writeAll(streams[0]!.writable, Buffer.from('over'))
    const { value } = await accepted.read()
    await bytesOfStream(value!.readable)
    await value!.writable.close()
    await bytesOfStream(streams[0]!.readable)
    await expect(waiting).resolves.toHaveProperty('writable')
  })

  test('datagrams go both ways, and who does not read them holds few', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    await until(() => world.accepted.length === 1, 'a session')
    expect(session.datagrams.maxDatagramSize).toBeGreaterThan(1_000)
    const writer = session.datagrams.createWritable().getWriter()
    for (let i = 0; i < 3_000; i++) {
      await writer.write(Buffer.from(String(i)))
      if (i % 50 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await new Promise(resolve => setTimeout(resolve, 300))
    const reader = world.accepted[0]!.datagrams.readable.getReader()
    let held = 0
    for (;;) {
      const next = reader.read()
      const timeout = new Promise<'none'>(resolve => setTimeout(resolve, 200, 'none'))
      if ((await Promise.race([next, timeout])) === 'none') break
      held += 1
    }
    expect(held).toBeGreaterThan(0)
    expect(held).toBeLessThan(100)
    await world.accepted[0]!.datagrams.createWritable().getWriter().write(Buffer.from('back'))
    const { value } = await session.datagrams.readable.getReader().read()
    expect(String(Buffer.from(value!))).toBe('back')
  })

  test('orders and groups of streams can be given and changed, and there are figures', async () => {
    await using world = await packageWorld(loaded)
    const session = world.open()
    await session.ready
    await until(() => world.accepted.length === 1, 'a session')
    void echo(session)
    const [accepted] = world.accepted
    const sendGroup = accepted!.createSendGroup()
    const { readable, writable } = await accepted!.createBidirectionalStream({ sendGroup, sendOrder: 5 })
    writable.sendOrder = 1e300
    await writeAll(writable, Buffer.from('in order'))
    expect(String(await bytesOfStream(readable))).toBe('in order')
    const { smoothedRtt, datagrams } = await session.getStats()
    expect(smoothedRtt).toBeGreaterThan(0)
    expect(datagrams.lostOutgoing).toBe(0)
  })

  test('a server that is not there fails the session', async () => {
    const session = new loaded.WebTransport('https://127.0.0.1:9/', { quicConnectTimeout: 500 })
    session.closed.catch(() => {})
    expect(await failure(session.ready)).toBe('Opening handshake failed.')
  })
})
