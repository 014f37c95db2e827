import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import type { Conditions } from '../../../src/bench/impair/conditions.ts'
import { impairTcp } from '../../../src/bench/impair/tcp-relay.ts'
import { freePort } from '../../support/tcp-port.ts'

const PATIENT = { interval: 5, timeout: 10_000 }

const bothDirections = (conditions: Conditions) => ({ toServer: conditions, toClient: conditions })

const noise = (bytes: number): Buffer => {
  const random = seededRandom(bytes)
  return Buffer.from(Array.from({ length: bytes }, () => random() * 256))
}

/** Half-open connections are its own business. */
async function startTcpServer(
  onConnection: (socket: Socket) => void,
): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket.on('error', () => {}))
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {})
  return socket
}

/** Everything until the end. The other direction stays open. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer) // no encoding is set
  return Buffer.concat(chunks)
}

const codeOf = async (socket: Socket): Promise<string | undefined> => {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  return error.code
}

describe('an impaired TCP path', () => {
  it.each<[string, Conditions]>([
    ['nothing', {}],
    ['delay and jitter', { delayMs: 5, jitterMs: 10 }],
    ['a rate', { bytesPerSecond: 2_000_000, queueBytes: 20_000 }],
    ['losses', { delayMs: 2, lossRate: 0.01 }],
    ['losses in bursts', { delayMs: 2, bursts: { enterRate: 0.003, leaveRate: 0.3 } }],
  ])('carries every byte in both directions, and each end by itself, under %s', async (_, conditions) => {
    const there = noise(300_000)
    const back = noise(400_000)
    let received: Buffer | undefined
    await using server = await startTcpServer(socket => {
      void readAll(socket).then(bytes => {
        received = bytes
        socket.end(back)
      })
    })
    await using relay = await impairTcp({
      target: { host: '127.0.0.1', port: server.port },
      seed: 3,
      ...bothDirections(conditions),
    })
    const client = dial(relay.port)
    client.end(there)
    const answer = await readAll(client)
    expect([received?.equals(there), answer.equals(back)]).toEqual([true, true])
    const counts = relay.counts()
    expect(counts.toServer).toMatchObject({ connections: 1, bytes: 300_000, delivered: 300_000 })
    expect(counts.toClient).toMatchObject({ connections: 1, bytes: 400_000, delivered: 400_000 })
    expect(counts.toServer.stalls > 0).toBe(
      conditions.lossRate !== undefined || conditions.bursts !== undefined,
    )
  })

  it('costs a round trip for the handshake and one for an answer', async () => {
    await using server = await startTcpServer(socket => void socket.pipe(socket))
    await using relay = await impairTcp({
      target: { host: '127.0.0.1', port: server.port },
      seed: 1,
      toServer: { delayMs: 20 },
      toClient: { delayMs: 30 },
    })
    const client = dial(relay.port)
    const times: number[] = []
    for (let i = 0; i < 10; i++) {
      const since = performance.now()
      client.write('x')
      await once(client, 'data')
      times.push(performance.now() - since)
    }
    client.destroy()
    const [first, ...later] = times
    expect(first).toBeGreaterThanOrEqual(100)
    expect(Math.min(...later)).toBeGreaterThanOrEqual(50)
    expect(Math.min(...later)).toBeLessThan(100)
  })

  it('takes the time of the rate for N bytes at least, and connections share it', async () => {
    await using server = await startTcpServer(socket => void socket.end(Buffer.alloc(100_000)))
    await using relay = await impairTcp({
      target: { host: '127.0.0.1', port: server.port },
      seed: 1,
      toServer: {},
      toClient: { bytesPerSecond: 400_000, queueBytes: 10_000 },
    })
    const since = performance.now()
    const bodies = await Promise.all([readAll(dial(relay.port)), readAll(dial(relay.port))])
    const tookMs = performance.now() - since
    expect(bodies.map(({ length }) => length)).toEqual([100_000, 100_000])
    expect(tookMs).toBeGreaterThanOrEqual(500)
    expect(tookMs).toBeLessThan(3_000)
  })

  it('holds senders back: by a full queue, and by a receiver that does not read', async () => {
    await using server = await startTcpServer(socket => void socket.pause())
    const target = { host: '127.0.0.1', port: server.port }
    const slow: Conditions = { bytesPerSecond: 10_000, queueBytes: 100_000 }
    for (const [conditions, mostBytes] of [
      // What was read before the queue was full; what it let through meanwhile comes on top.
      [slow, 100_000 + 65_536],
      // What one direction may hold, the last chunk, and what buffers of sockets take.
      [{ delayMs: 1 }, 33_554_432 + 16_777_216],
    ] as const) {
      await using relay = await impairTcp({ target, seed: 1, ...bothDirections(conditions) })
      const since = performance.now()
      const client = dial(relay.port)
      const chunk = Buffer.alloc(1_048_576)
      for (let i = 0; i < 100; i++) client.write(chunk)
      let before = -1
      const hasSettled = (): boolean => {
        const { bytes } = relay.counts().toServer
        const isSame = bytes > 0 && bytes - before <= 10_000
        before = bytes
        return isSame
      }
      await expect.poll(hasSettled, { ...PATIENT, interval: 200 }).toBe(true)
      const passedBytes = (performance.now() - since) * 10
      expect(before).toBeLessThanOrEqual(mostBytes + passedBytes)
      expect(client.writableLength).toBeGreaterThan(33_554_432)
      client.destroy()
    }
  })

  it('passes resets on, either way, after the delay', async () => {
    const atServer: Promise<string | undefined>[] = []
    await using server = await startTcpServer(socket => {
      atServer.push(codeOf(socket))
      socket.on('data', data => {
        if (data.toString() === 'reset me') socket.resetAndDestroy()
      })
    })
    await using relay = await impairTcp({
      target: { host: '127.0.0.1', port: server.port },
      seed: 1,
      ...bothDirections({ delayMs: 20 }),
    })
    const victim = dial(relay.port)
    const since = performance.now()
    victim.write('reset me')
    expect(await codeOf(victim)).toBe('ECONNRESET')
    expect(performance.now() - since).toBeGreaterThanOrEqual(80)
    const culprit = dial(relay.port)
    culprit.write('hello')
    await expect.poll(() => atServer.length, PATIENT).toBe(2)
    await sleep(100) // so that the reset does not overtake the greeting
    culprit.resetAndDestroy()
    expect(await atServer[1]).toBe('ECONNRESET')
  })

  it('resets a client of a server that refuses', async () => {
    const port = await freePort()
    await using relay = await impairTcp({
      target: { host: '127.0.0.1', port },
      seed: 1,
      ...bothDirections({ delayMs: 5 }),
    })
    expect(await codeOf(dial(relay.port))).toBe('ECONNRESET')
  })

  it('passes nothing through a black hole, one way only, and everything behind it', async () => {
    const heard: string[] = []
    await using server = await startTcpServer(socket => {
      socket.on('data', data => heard.push(data.toString()))
      socket.write('from the server')
    })
    await using relay = await impairTcp({
      target: { host: '127.0.0.1', port: server.port },
      seed: 1,
      toServer: { delayMs: 5, isBlackHole: true },
      toClient: { delayMs: 5 },
    })
    const client = dial(relay.port)
    client.write('from the client')
    expect(String((await once(client, 'data'))[0])).toBe('from the server')
    await sleep(100)
    expect(heard).toEqual([])
    expect(relay.counts().toServer.delivered).toBe(0)
    relay.setConditions('toServer', { delayMs: 5 })
    await expect.poll(() => heard.join(''), PATIENT).toBe('from the client')
    client.destroy()
  })

  it('refuses conditions that no path has', async () => {
    const target = { host: '127.0.0.1', port: 1 }
    await expect(impairTcp({ target, seed: 1, ...bothDirections({ lossRate: 5 }) })).rejects.toThrow(
      'lossRate',
    )
    await using relay = await impairTcp({ target, seed: 1, ...bothDirections({}) })
    expect(() => relay.setConditions('toClient', { delayMs: -1 })).toThrow('delayMs')
  })
})
