import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { connectHttp3Peer } from '../../support/http3-peer-client.ts'
import { startHttp3PeerOrigin } from '../../support/http3-peer-origin.ts'
import { FRAME, fieldSection, requestHeaders, SETTING, STREAM_TYPE } from '../../support/http3-wire.ts'
import { requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { isRunning } from '../../support/process-tree.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { runTool } from '../../support/run-tool.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { openUdpSocket } from '../../support/udp-port.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'
import { until, untilSteady } from '../../support/until.ts'

/**
 * What the HTTP/3 tests stand on: servers of others asked by a client of others, over relays and links that
 * lose.
 */
describe('the real HTTP/3 servers', () => {
  it.for([
    ['caddy', () => startCaddy({ http3: true })],
    ['gtlsserver', () => startNgtcp2Server()],
    ['gtlsserver', () => startNgtcp2Server({ retries: true, streamWindowBytes: 4096, sendLoss: 0.02 })],
  ] as const)('%s answers gtlsclient, over a relay', async ([name, start], ctx) => {
    const missing = requireBinary(name, 'gtlsclient')
    ctx.skip(missing !== undefined, missing)
    await using server = await start()
    await using relay = await startUdpRelay('port' in server ? server.port : server.tlsPort, {
      conditions: { latencyMs: 5 },
    })
    using directory = makeTemporaryDirectory('download')
    const url = `https://localhost:${relay.port}/100k`
    const args = [
      '-q',
      '--exit-on-all-streams-close',
      `--download=${directory.path}`,
      '127.0.0.1',
      String(relay.port),
      url,
    ]
    const { exitCode, output } = await runTool('gtlsclient', args, { timeoutMs: 15_000 })
    expect(exitCode, output).toBe(0)
    expect(readFileSync(join(directory.path, '100k')).equals(bodyOf(102_400))).toBe(true)
    expect(relay.counts['to-client'].receivedBytes).toBeGreaterThan(102_400)
    const process = server.server.processes()
    await server.stop()
    expect(process.filter(isRunning)).toEqual([])
  })

  it('come back on the same port', async ctx => {
    const missing = requireBinary('caddy', 'gtlsserver')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http3: true, reloadable: true })
    const before = caddy.server.pid
    await caddy.reload()
    expect(caddy.server.pid).toBe(before)
    await caddy.restart('SIGKILL')
    expect(caddy.server.pid).not.toBe(before)
    await using ngtcp2 = await startNgtcp2Server()
    await ngtcp2.restart('SIGKILL')
    expect(ngtcp2.server.hasExited()).toBe(false)
  })
})

/** Answers every datagram with itself. */
async function startEcho() {
  const socket = await openUdpSocket()
  const ports = new Set<number>()
  socket.on('message', (datagram, { port }) => {
    ports.add(port)
    socket.send(datagram, port, '127.0.0.1')
  })
  return { port: socket.address().port, ports, [Symbol.dispose]: () => socket.close() }
}

/** Sends numbered datagrams to the port, and keeps the numbers that come back. */
async function startCounter(port: number) {
  const socket = await openUdpSocket()
  const seen: number[] = []
  let sent = 0
  socket.on('message', datagram => seen.push(datagram.readUInt32BE(0)))
  return {
    seen,
    port: socket.address().port,
    send(count: number): void {
      for (let i = 0; i < count; i++) {
        const datagram = Buffer.alloc(100)
        datagram.writeUInt32BE(sent++)
        socket.send(datagram, port, '127.0.0.1')
      }
    },
    [Symbol.dispose]: () => socket.close(),
  }
}

describe('the UDP relay', () => {
  it('delays, and keeps the order', async () => {
    using echo = await startEcho()
    await using relay = await startUdpRelay(echo.port, { conditions: { latencyMs: 30 } })
    using counter = await startCounter(relay.port)
    const startedAt = performance.now()
    counter.send(50)
    await until(() => counter.seen.length === 50, 'all of them')
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(59)
    expect(counter.seen).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  it('loses, doubles and reorders by the dice of its seed', async () => {
    using echo = await startEcho()
    const run = async (seed: number): Promise<number[]> => {
      const conditions = {
        latencyMs: 1,
        lossRate: 0.1,
        duplicateRate: 0.1,
        reorderRate: 0.1,
        reorderDelayMs: 30,
      }
      await using relay = await startUdpRelay(echo.port, { conditions, toClient: { latencyMs: 1 }, seed })
      using counter = await startCounter(relay.port)
      counter.send(200)
      await until(() => relay.counts['to-server'].received === 200, 'all of them')
      await untilSteady(() => counter.seen.length, 'what comes back')
      expect(relay.counts['to-client'].received).toBe(counter.seen.length)
      return counter.seen
    }
    const seen = await run(7)
    const lost = 200 - new Set(seen).size
    expect(lost).toBeGreaterThan(5)
    expect(lost).toBeLessThan(45)
    expect(seen.length).toBeGreaterThan(new Set(seen).size)
    expect(seen).not.toEqual(seen.toSorted((a, b) => a - b))
    const sorted = (numbers: number[]): number[] => numbers.toSorted((a, b) => a - b)
    expect(sorted(await run(7))).toEqual(sorted(seen))
    expect(sorted(await run(8))).not.toEqual(sorted(seen))
  })

  it('drops and changes what its filter says', async () => {
    using echo = await startEcho()
    await using relay = await startUdpRelay(echo.port, {
      filter: (datagram, direction, index) => {
        if (direction === 'to-server') return index !== 1
        return index === 0 ? Buffer.concat([Buffer.from([0, 0, 0, 99]), datagram]) : true
      },
    })
    using counter = await startCounter(relay.port)
    counter.send(3)
    await until(() => counter.seen.length === 2, 'two of them')
    expect(counter.seen).toEqual([99, 2])
    expect(relay.counts['to-server']).toMatchObject({ received: 3, dropped: 1, lost: 0 })
  })

  it('is a black hole for a while, a NAT that forgets, and a forger', async () => {
    using echo = await startEcho()
    await using relay = await startUdpRelay(echo.port)
    using counter = await startCounter(relay.port)
    counter.send(1)
    await until(() => counter.seen.length === 1, 'the first')
    relay.isBlackHole = true
    counter.send(1)
    await until(() => relay.counts['to-server'].lost === 1, 'the second in the hole')
    relay.isBlackHole = false
    await relay.rebind()
    counter.send(1)
    await until(() => counter.seen.length === 2, 'the third')
    expect(counter.seen).toEqual([0, 2])
    expect(echo.ports.size).toBe(2)
    relay.inject('to-client', Buffer.from([0, 0, 0, 77]), relay.clientPorts[0]!)
    await until(() => counter.seen.length === 3, 'the forged one')
    expect([relay.clientPorts, counter.seen[2]]).toEqual([[counter.port], 77])
  })
})

describe('the lossy link', () => {
  const missing = requireLossyLink()

  it('carries TCP, delays it, and loses the segment that it is set to', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using link = await startLossyLink(20)
    const server = createServer(socket => void socket.on('error', () => {}).pipe(socket)).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    const address = server.address()
    const port = await link.open(typeof address === 'object' && address !== null ? address.port : 0)
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    await echoed(socket, Buffer.from('once over, so that the way is open'))
    const startedAt = performance.now()
    await echoed(socket, Buffer.from('there and back'))
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(39)
    await link.dropNth('to-client', 20, 1000)
    const body = bodyOf(1_000_000)
    expect((await echoed(socket, body)).equals(body)).toBe(true)
    const counts = await link.counts()
    expect(counts.lost).toBe(1)
    expect(counts.toClient).toBeGreaterThan(600)
    socket.destroy()
    server.close()
  })
})

async function echoed(socket: Socket, bytes: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  socket.write(bytes)
  while (length < bytes.length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer] // no encoding was set
    length += chunks.push(chunk) > 0 ? chunk.length : 0
  }
  return Buffer.concat(chunks)
}

describe('the raw HTTP/3 peers', () => {
  const missing = requireQuic()

  it('talk to each other, stream by stream', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using origin = await startHttp3PeerOrigin()
    await using client = await connectHttp3Peer(origin.port, {
      ca: origin.ca,
      settings: [[SETTING.QPACK_BLOCKED_STREAMS, 7]],
    })
    const request = client.openRequest(requestHeaders('/a'))
    await client.until(() => client.streams.get(request)?.isEnded === true, 'the answer')
    expect(client.framesOf(request)).toMatchObject([
      { type: FRAME.HEADERS, payload: fieldSection([':status', '200']) },
      { type: FRAME.DATA, payload: Buffer.from('ok') },
    ])
    const peer = origin.peers[0]!
    expect(peer.framesOf(request)).toMatchObject([{ type: FRAME.HEADERS }])
    // The streams of a client arrive in any order.
    await peer.until(() => (peer.streams.get(client.controlStream)?.bytes.length ?? 0) >= 5, 'SETTINGS')
    const control = peer.streams.get(client.controlStream)!
    expect(
      control.bytes.equals(
        Buffer.of(STREAM_TYPE.CONTROL, FRAME.SETTINGS, 2, SETTING.QPACK_BLOCKED_STREAMS, 7),
      ),
    ).toBe(true)
    const second = client.openRequest(requestHeaders('/b'), false)
    client.reset(second, 0x10c)
    await peer.until(() => peer.streams.get(second)?.resetCode === 0x10c, 'the reset')
    client.close(0x101, 'enough')
    expect(await peer.untilClosedByPeer()).toMatchObject({
      isApplication: true,
      code: 0x101,
      reason: 'enough',
    })
  })
})
