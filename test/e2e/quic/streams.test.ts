import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { QuicCongestionControl } from '../../../src/base/options/protocol-options.ts'
import type { DrivenConnection, PathEvent } from '../../../src/quic/driven-connection.ts'
import type { QuicServerTls } from '../../../src/quic/engine.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { noQuic, theEngine } from '../../support/quic-engine.ts'
import { CLIENT, type PairOptions, QuicPair, readAll, SERVER } from '../../support/quic-pair.ts'

/** Streams of the quiche engine, in memory. */

let authority: CertificateAuthority
let serverTls: QuicServerTls

beforeAll(async () => {
  authority = await createCertificateAuthority()
  serverTls = await authority.issue({ names: ['localhost'] })
})

const text = (value: string): Buffer => Buffer.from(value, 'latin1')

function connected(options: Partial<PairOptions> = {}): QuicPair {
  const pair = new QuicPair(theEngine(), { tls: { ca: authority.cert }, serverTls, ...options })
  pair.run()
  expect(pair.client.isEstablished && pair.server.isEstablished).toBe(true)
  return pair
}

const open = (pair: QuicPair): number => pair.client.openStream('bidirectional')!

describe.skipIf(noQuic !== undefined)('congestion control', () => {
  /** What a sender has of its largest window when it has got over one loss. */
  async function leftAfterLoss(congestionControl: QuicCongestionControl): Promise<number> {
    const pair = connected({ quic: { congestionControl } })
    const stream = open(pair)
    const body = randomBytes(1_000_000)
    let packets = 0
    pair.lose = from => from === 'client' && ++packets === 200
    let sent = 0
    let largest = 0
    const window = (): number => pair.client.stats().congestionWindowBytes
    await pair.runUntil(() => {
      if (sent < body.length) sent += pair.client.write(stream, body.subarray(sent), false)
      readAll(pair.server, stream)
      largest = Math.max(largest, window())
      return sent === body.length
    })
    return window() / largest
  }

  it('is reno: half of the window is left after a loss (RFC 9002 7.3.2)', async () => {
    expect(await leftAfterLoss('reno')).toBeCloseTo(0.5, 1)
  })

  it('is cubic: 0.7 of the window is left (RFC 9438 4.6)', async () => {
    expect(await leftAfterLoss('cubic')).toBeCloseTo(0.7, 1)
  })

  // It goes by how quickly the path has carried, and in here the path is the CPU.
  it('is bbr: more is left than to the others', { retry: 2 }, async () => {
    expect(await leftAfterLoss('bbr')).toBeGreaterThan(0.75)
  })
})

describe.skipIf(noQuic !== undefined)('ends of streams', () => {
  it('refuses an end without a byte, which quiche would lose', () => {
    const pair = connected()
    const stream = open(pair)
    expect(() => pair.client.write(stream, Buffer.alloc(0), true)).toThrow('must come with a byte')
    expect(pair.client.write(stream, Buffer.alloc(0), false)).toBe(0)
  })

  it('loses no end that came with data, though the acknowledgement of earlier data is handled first', async () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.write(stream, text('hello'), false)
    pair.toServer()
    pair.client.write(stream, text('!'), true)
    pair.toClient()
    let lost = 0
    pair.lose = from => from === 'client' && lost++ === 0
    await pair.runUntil(() => lost > 1)
    pair.run()
    expect(readAll(pair.server, stream)).toEqual({ bytes: text('hello!'), isEnd: true })
  })

  it('throws for a write to a finished stream', () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.write(stream, text('x'), true)
    expect(() => pair.client.write(stream, text('y'), false)).toThrow('takes no writes')
    pair.run()
    expect(() => pair.client.write(stream, text('y'), false)).toThrow('takes no writes')
    expect(() => pair.client.write(3, text('y'), false)).toThrow('takes no writes')
  })

  it('reports a reset with its code, in both directions', () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.write(stream, text('x'), false)
    pair.run()
    readAll(pair.server, stream)
    pair.client.reset(stream, 0x10c)
    pair.server.reset(stream, 0x10b)
    pair.run()
    readAll(pair.server, stream)
    readAll(pair.client, stream)
    pair.run()
    expect(pair.serverEvents).toContainEqual({ type: 'reset', stream, code: 0x10c })
    expect(pair.clientEvents).toContainEqual({ type: 'reset', stream, code: 0x10b })
  })

  it('reports a stop to a writer that only waits', () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.write(stream, text('x'), false)
    pair.run()
    pair.client.stop(stream, 0x10c)
    pair.run()
    expect(pair.serverEvents).toContainEqual({ type: 'stopped', stream, code: 0x10c })
    expect(pair.server.write(stream, text('late'), true)).toBe(0)
  })

  it.each([2 ** 54, 2 ** 61])(
    'reports resets and stops with the code %d, which only a hostile peer has',
    code => {
      const pair = connected()
      const stream = open(pair)
      pair.client.write(stream, text('x'), false)
      pair.run()
      readAll(pair.server, stream)
      pair.client.stop(stream, code)
      pair.client.reset(stream, code)
      const now = performance.now()
      for (let out = pair.client.nextDatagram(now); out !== undefined; out = pair.client.nextDatagram(now))
        pair.server.receive(Buffer.from(out.bytes), out.from, out.to, now)
      // Before its turn, as a producer does that knows of nothing.
      expect(pair.server.write(stream, text('late'), false)).toBe(0)
      pair.run()
      readAll(pair.server, stream)
      pair.toServer()
      expect(pair.serverEvents).toContainEqual({ type: 'stopped', stream, code })
      expect(pair.serverEvents).toContainEqual({ type: 'reset', stream, code })
    },
  )

  it('reports each of many stops, once', () => {
    const pair = connected({ serverQuic: { maxConcurrentStreams: 1500 } })
    const streams = Array.from({ length: 1200 }, () => open(pair))
    for (const stream of streams) pair.client.write(stream, text('x'), false)
    pair.run(500)
    for (const stream of streams) pair.client.stop(stream, 7)
    pair.run(500)
    const stopped = pair.serverEvents.filter(event => event.type === 'stopped')
    expect(stopped.map(({ stream }) => stream).sort((a, b) => a - b)).toEqual(streams)
    expect(stopped.filter(({ code }) => code === 7).length).toBeGreaterThan(500)
  })

  it('resets a stream that was never written, so that its id is not missed', () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.reset(stream, 5)
    pair.run()
    readAll(pair.server, stream)
    pair.toServer()
    expect(pair.serverEvents).toContainEqual({ type: 'reset', stream, code: 5 })
  })

  it.each([
    ['the client still sends', false],
    ['the client has sent its end', true],
  ])('a server that answers early gets no less streams: %s', (_, isLast) => {
    // quiche alone: after 100 of these no stream is left.
    const pair = connected({ serverQuic: { maxConcurrentStreams: 100 } })
    for (let i = 0; i < 250; i += 1) {
      const stream = pair.client.openStream('bidirectional')
      if (stream === undefined) throw new Error(`no stream for request ${i}`)
      pair.client.write(stream, Buffer.alloc(3000), isLast)
      pair.toServer()
      pair.server.write(stream, text('early'), true)
      pair.server.stop(stream, 0x100)
      pair.run()
      readAll(pair.client, stream)
      if (!isLast) pair.client.reset(stream, 0x10c)
      pair.run()
    }
    expect(pair.client.streamsLeft('bidirectional')).toBeGreaterThan(40)
  })

  it('gives credit back for streams that the client only resets', () => {
    const pair = connected({ serverQuic: { maxConcurrentStreams: 8 } })
    for (let i = 0; i < 40; i += 1) {
      const stream = pair.client.openStream('bidirectional')
      if (stream === undefined) throw new Error(`no credit for stream ${i}`)
      pair.client.write(stream, Buffer.from('x'), false)
      pair.run()
      pair.client.reset(stream, 0x10c)
      pair.run()
      pair.server.read(stream, Buffer.alloc(100)) // the reset
      pair.run()
      pair.server.reset(stream, 0x10c)
      pair.run()
      // The acknowledgement of the reset comes with something else.
      pair.client.ping()
      pair.run()
    }
  })

  it('stops a peer that goes on and on', () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.write(stream, text('x'), false)
    pair.run()
    pair.server.stop(stream, 0x100)
    let written = 0
    for (let i = 0; i < 500; i += 1) {
      written += pair.client.write(stream, Buffer.alloc(10_000), false)
      pair.run()
      if (pair.clientEvents.some(event => event.type === 'stopped')) break
    }
    expect(pair.clientEvents).toContainEqual({ type: 'stopped', stream, code: 0x100 })
    expect(written).toBeGreaterThan(200_000)
    expect(written).toBeLessThan(1_000_000)
  })
})

describe.skipIf(noQuic !== undefined)('many streams', () => {
  it('counts those that were opened but not written', () => {
    const pair = connected({ serverQuic: { maxConcurrentStreams: 3 } })
    expect(pair.client.streamsLeft('bidirectional')).toBe(3)
    const streams = [open(pair), open(pair)]
    expect(pair.client.streamsLeft('bidirectional')).toBe(1)
    pair.client.write(streams[1]!, text('x'), true)
    expect(pair.client.streamsLeft('bidirectional')).toBe(1)
    expect(streams).toEqual([0, 4])
    expect(open(pair)).toBe(8)
    expect(pair.client.openStream('bidirectional')).toBeUndefined()
    expect(pair.client.openStream('unidirectional')).toBe(2)
    expect(pair.server.openStream('unidirectional')).toBe(3)
    expect(pair.server.openStream('bidirectional')).toBeUndefined()
  })

  it('carries 1,000 at once through short writes', async () => {
    const pair = connected({ serverQuic: { maxConcurrentStreams: 1000 } })
    const body = randomBytes(4000)
    const left = new Map<number, number>()
    const write = (stream: number): void => {
      const rest = body.subarray(left.get(stream))
      const written = pair.client.write(stream, rest, true)
      if (written === rest.length) left.delete(stream)
      else left.set(stream, left.get(stream)! + written)
    }
    for (let i = 0; i < 1000; i += 1) {
      const stream = open(pair)
      left.set(stream, 0)
      write(stream)
    }
    expect(left.size).toBeGreaterThan(900)
    const got = new Map<number, Buffer[]>()
    const ended = new Set<number>()
    await pair.runUntil(() => {
      for (const event of pair.clientEvents.splice(0)) if (event.type === 'writable') write(event.stream)
      for (const event of pair.serverEvents.splice(0)) {
        if (event.type !== 'readable') continue
        const { bytes, isEnd } = readAll(pair.server, event.stream)
        got.set(event.stream, [...(got.get(event.stream) ?? []), bytes])
        if (isEnd) ended.add(event.stream)
      }
      return ended.size === 1000
    }, 20_000)
    for (const parts of got.values()) expect(Buffer.concat(parts).equals(body)).toBe(true)
  })

  it('delivers 20 answers of 2 KB though datagrams are lost', async () => {
    const pair = connected()
    const streams = Array.from({ length: 20 }, () => open(pair))
    const body = randomBytes(2000)
    const left = new Map(streams.map(stream => [stream, body]))
    const write = (stream: number): void => {
      const rest = left.get(stream)!
      left.set(stream, rest.subarray(pair.client.write(stream, rest, true)))
    }
    for (const stream of streams) write(stream)
    let sent = 0
    pair.lose = () => sent++ % 4 === 0
    const got = new Map<number, Buffer>()
    const ended = new Set<number>()
    await pair.runUntil(() => {
      for (const event of pair.clientEvents.splice(0)) if (event.type === 'writable') write(event.stream)
      for (const stream of streams) {
        if (ended.has(stream)) continue
        const { bytes, isEnd } = readAll(pair.server, stream)
        got.set(stream, Buffer.concat([got.get(stream) ?? Buffer.alloc(0), bytes]))
        if (isEnd) ended.add(stream)
      }
      return ended.size === streams.length
    })
    for (const bytes of got.values()) expect(bytes.equals(body)).toBe(true)
  })

  it('sends the more urgent stream first', () => {
    const pair = connected()
    const [slow, fast] = [open(pair), open(pair)]
    pair.client.prioritize(slow, 7, false)
    pair.client.prioritize(fast, 0, false)
    pair.client.write(slow, Buffer.alloc(5000), false)
    pair.client.write(fast, Buffer.alloc(5000), false)
    const out = pair.client.nextDatagram(0)!
    pair.server.receive(Buffer.from(out.bytes), CLIENT, SERVER, 0)
    expect(readAll(pair.server, fast).bytes.length).toBeGreaterThan(0)
    expect(readAll(pair.server, slow).bytes.length).toBe(0)
  })

  it('holds back the writer of a stalled reader, and that one only', async () => {
    const pair = connected({ serverQuic: { streamWindowBytes: 20_000, maxStreamWindowBytes: 20_000 } })
    const [sleepy, awake] = [open(pair), open(pair)]
    let toSleepy = 0
    let toAwake = 0
    let read = 0
    for (let i = 0; i < 200; i += 1) {
      toSleepy += pair.client.write(sleepy, Buffer.alloc(1000), false)
      toAwake += pair.client.write(awake, Buffer.alloc(1000), false)
      pair.run()
      read += readAll(pair.server, awake).bytes.length
      pair.run()
    }
    expect(toSleepy).toBe(20_000)
    expect(toAwake).toBe(200_000)
    expect(read).toBe(200_000)
    expect(readAll(pair.server, sleepy).bytes.length).toBe(20_000)
    pair.clientEvents.length = 0
    await pair.runUntil(() => pair.clientEvents.some(event => event.type === 'writable'))
    expect(pair.clientEvents).toContainEqual({ type: 'writable', stream: sleepy })
  })

  it('reports again that a stream can be read until it is', () => {
    const pair = connected()
    const stream = open(pair)
    pair.client.write(stream, text('x'), true)
    pair.run()
    pair.serverEvents.length = 0
    pair.client.ping()
    pair.run()
    expect(pair.serverEvents).toContainEqual({ type: 'readable', stream })
    readAll(pair.server, stream)
    pair.serverEvents.length = 0
    pair.client.ping()
    pair.run()
    expect(pair.serverEvents).toEqual([])
  })
})

describe.skipIf(noQuic !== undefined)('datagrams and paths', () => {
  it('carries datagrams, bounded', () => {
    const pair = connected({ quic: { maxQueuedDatagrams: 4 }, serverQuic: { maxQueuedDatagrams: 4 } })
    expect(pair.client.maxDatagramBytes).toBeGreaterThan(1100)
    expect(pair.client.sendDatagram(Buffer.alloc(pair.client.maxDatagramBytes + 1))).toBe(false)
    const taken = [1, 2, 3, 4, 5].map(i => pair.client.sendDatagram(Buffer.of(i)))
    expect(taken).toEqual([true, true, true, true, false])
    pair.run()
    const got = pair.serverEvents.filter(event => event.type === 'datagram').map(({ bytes }) => bytes[0])
    expect(got).toEqual([1, 2, 3, 4])
  })

  it('takes none when it shall not', () => {
    const pair = connected({ serverQuic: { maxQueuedDatagrams: 0 } })
    expect(pair.client.maxDatagramBytes).toBe(0)
    expect(pair.client.sendDatagram(Buffer.of(1))).toBe(false)
  })

  it('has one path unless it is allowed another', () => {
    const pair = connected()
    const elsewhere = { host: '127.0.0.1', port: 50_000 }
    expect(pair.client.migrationRefusal).toBe('the origin is not trusted with a second path')
    expect(pair.client.validatePath(elsewhere, SERVER)).toBe(false)
    expect(pair.client.migrate(elsewhere, SERVER, 0)).toBe(false)
    expect(pair.server.connectionIdsLeft()).toBe(0)
    pair.client.ping()
    const out = pair.client.nextDatagram(0)!
    const before = pair.server.stats().receivedPackets
    pair.server.receive(Buffer.from(out.bytes), elsewhere, SERVER, 0)
    expect(pair.server.stats().receivedPackets).toBe(before)
  })

  it('probes and moves to a second path when it is allowed', () => {
    const pair = connected({ allowsSecondPath: true })
    while (pair.server.connectionIdsLeft() > 0)
      pair.server.issueConnectionId(randomBytes(16), randomBytes(16))
    pair.run()
    const elsewhere = { host: '127.0.0.1', port: 50_000 }
    expect(pair.client.migrationRefusal).toBeUndefined()
    expect(pair.client.validatePath(elsewhere, SERVER)).toBe(true)
    pair.run()
    expect(pathEvents(pair.client)).toContainEqual({ outcome: 'validated', local: elsewhere, remote: SERVER })
    expect(pair.client.migrate(elsewhere, SERVER, 0)).toBe(true)
    pair.run()
    expect(pathEvents(pair.server)).toContainEqual({
      outcome: 'peer-migrated',
      local: SERVER,
      remote: elsewhere,
    })
    expect(pair.client.receivedOver(elsewhere)).toBeGreaterThan(0)
  })
})

function pathEvents(connection: DrivenConnection): PathEvent[] {
  const events: PathEvent[] = []
  for (let event = connection.nextPathEvent(); event !== undefined; event = connection.nextPathEvent())
    events.push(event)
  return events
}

describe.skipIf(noQuic !== undefined)('an end that stands alone', () => {
  /** The end of a stream of which everything was sent; `between`: what happens before it can leave. */
  async function endsAfter(between: (pair: QuicPair) => void): Promise<boolean> {
    const pair = connected()
    const stream = pair.client.openStream('unidirectional')!
    pair.client.write(stream, text('all of it'), false)
    pair.toServer()
    let isEnd = false
    const buffer = Buffer.alloc(100)
    const read = (): boolean => {
      for (
        let got = pair.server.read(stream, buffer);
        got !== undefined;
        got = pair.server.read(stream, buffer)
      )
        isEnd ||= got[1]
      return isEnd
    }
    read()
    expect(pair.client.finish(stream)).toBe(true)
    between(pair)
    await pair.runUntil(read, 3_000)
    return isEnd
  }

  it('arrives though all data before it is acknowledged first', async () => {
    const acknowledged = endsAfter(pair => {
      for (const connection of [pair.server]) connection.onTimeout(performance.now() + 100)
      pair.toClient()
    })
    expect(await acknowledged).toBe(true)
  })

  it('arrives though one copy of the packet that it left in is lost', async () => {
    const lost = endsAfter(pair => {
      let copies = 0
      pair.lose = from => from === 'client' && ++copies === 1
      pair.toServer()
      pair.lose = () => false
    })
    expect(await lost).toBe(true)
  })
})

describe.skipIf(noQuic !== undefined)('a unidirectional stream that is stopped at once', () => {
  it('tells the peer, until a quarter of its credit is used up, and the connection is to be replaced then', () => {
    const pair = connected({ serverQuic: { maxUnidirectionalStreams: 8 } })
    for (let i = 0; i < 3; i++) {
      const stream = pair.client.openStream('unidirectional')!
      pair.client.write(stream, text('unwanted'), false)
      pair.run()
      pair.server.stopAtOnce(stream, 42)
      pair.run()
    }
    const stopped = pair.clientEvents.filter(({ type }) => type === 'stopped')
    expect(stopped).toEqual([
      { type: 'stopped', stream: 2, code: 42 },
      { type: 'stopped', stream: 6, code: 42 },
    ])
    expect(pair.serverEvents.filter(({ type }) => type === 'worn-out')).toHaveLength(1)
  })
})
