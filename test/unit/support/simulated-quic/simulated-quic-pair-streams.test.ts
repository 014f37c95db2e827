import { describe, expect, it } from 'vitest'
import { SimulatedEngine } from '../../../support/simulated-quic/simulated-engine.ts'
import {
  SimulatedQuicPair,
  type SimulatedQuicPairOptions,
} from '../../../support/simulated-quic/simulated-quic-pair.ts'
import { StreamCollector } from '../../../support/simulated-quic/stream-collector.ts'

function established(options: SimulatedQuicPairOptions = {}) {
  const pair = new SimulatedQuicPair(options)
  const client = new StreamCollector(pair.client)
  const server = new StreamCollector(pair.server)
  pair.establish()
  // The last packets of the handshake are acknowledged too.
  pair.clock.advance(1000)
  return { pair, client, server }
}

describe('flow control of the simulated engine', () => {
  it('stops a writer whose reader stalls at the window of the stream, and goes on when it resumes', () => {
    const { pair, client, server } = established({ server: { quic: { streamWindowBytes: 10_000 } } })
    server.asleep.add(0)
    client.open(Buffer.alloc(50_000, 1))
    pair.clock.advance(5000)
    expect(client.pendingBytes(0)).toBe(40_000)
    expect(server.collected(0).bytes.length).toBe(0)
    server.asleep.delete(0)
    server.read(0, pair.now)
    pair.server.schedule()
    pair.until(() => server.ended.includes(0))
    expect(server.collected(0).bytes.length).toBe(50_000)
  })

  it('lets another stream pass meanwhile', () => {
    const { pair, client, server } = established({ server: { quic: { streamWindowBytes: 10_000 } } })
    server.asleep.add(0)
    client.open(Buffer.alloc(50_000, 1))
    const start = pair.now
    const other = client.open(Buffer.alloc(5000, 2))
    pair.until(() => server.ended.includes(other))
    expect(server.collected(other).endedAtMs - start).toBeLessThanOrEqual(60)
    expect(server.collected(0).outcome).toBe('open')
  })

  it('has a window for the connection as a whole, which readers give back', () => {
    const { pair, client, server } = established({ server: { quic: { connectionWindowBytes: 12_000 } } })
    server.asleep.add(0).add(4)
    client.open(Buffer.alloc(8000, 1))
    client.open(Buffer.alloc(8000, 2))
    pair.clock.advance(5000)
    expect(client.pendingBytes(0) + client.pendingBytes(4)).toBe(4000)
    server.asleep.delete(0)
    server.read(0, pair.now)
    pair.server.schedule()
    pair.clock.advance(1000)
    expect(client.pendingBytes(4)).toBe(0)
  })

  it('gives back the credit of a stream that was stopped', () => {
    const { pair, client, server } = established({ server: { quic: { connectionWindowBytes: 12_000 } } })
    server.asleep.add(0)
    client.open(Buffer.alloc(50_000, 1))
    pair.clock.advance(1000)
    pair.server.connection.stop(0, 7)
    pair.server.schedule()
    const other = client.open(Buffer.alloc(12_000, 2))
    pair.until(() => server.ended.includes(other))
    expect(client.events).toContainEqual({ type: 'stopped', stream: 0, code: 7 })
  })

  it('grows the window of a reader that keeps up, up to its maximum', () => {
    const quic = { streamWindowBytes: 10_000, maxStreamWindowBytes: 80_000 }
    const engine = new SimulatedEngine({ congestionWindowBytes: 1_000_000 })
    const slow = established({ engine, server: { quic: { ...quic, maxStreamWindowBytes: 10_000 } } })
    const quick = established({ engine, server: { quic } })
    const times = [slow, quick].map(({ pair, client, server }) => {
      const start = pair.now
      client.open(Buffer.alloc(400_000))
      pair.until(() => server.ended.length === 1)
      return pair.now - start
    })
    expect(times[1]).toBeLessThan(times[0]! / 3)
  })

  it('writes what the congestion window allows, and reports when there is room', () => {
    const engine = new SimulatedEngine({ congestionWindowBytes: 6000 })
    const { pair, client, server } = established({ engine })
    const stream = pair.client.connection.openStream('bidirectional')!
    expect(pair.client.connection.write(stream, Buffer.alloc(20_000), true)).toBe(6000)
    expect(pair.client.connection.write(stream, Buffer.alloc(20_000), true)).toBe(0)
    let room = 0
    client.onEvent = event => {
      if (event.type === 'writable') room = pair.client.connection.write(stream, Buffer.alloc(20_000), true)
    }
    pair.client.schedule()
    pair.until(() => room > 0)
    expect(server.collected(stream).bytes.length).toBeGreaterThan(0)
  })
})

describe('streams of the simulated engine', () => {
  it('are as many as the peer allows, and more as they end', () => {
    const { pair, client, server } = established({ server: { quic: { maxConcurrentStreams: 2 } } })
    const { connection } = pair.client
    expect(connection.streamsLeft('bidirectional')).toBe(2)
    client.open(Buffer.from('one'))
    client.open(Buffer.from('two'))
    expect(connection.openStream('bidirectional')).toBeUndefined()
    pair.until(() => server.ended.length === 2)
    pair.clock.advance(1000)
    expect(connection.streamsLeft('bidirectional')).toBe(0)
    server.send(0, Buffer.from('answer'))
    pair.until(() => connection.streamsLeft('bidirectional') === 1)
    expect(client.collected(0).outcome).toBe('end')
    expect(connection.openStream('bidirectional')).toBe(8)
  })

  it('are counted by direction, and a client accepts no requests', () => {
    const { pair, client, server } = established({ client: { quic: { maxUnidirectionalStreams: 1 } } })
    expect(pair.server.connection.openStream('bidirectional')).toBeUndefined()
    const control = server.open(Buffer.from('control'), 'unidirectional')
    expect(control).toBe(3)
    expect(pair.server.connection.openStream('unidirectional')).toBeUndefined()
    pair.until(() => client.ended.includes(3))
    expect(client.collected(3).bytes.toString()).toBe('control')
    // A side that a stream does not have takes and gives nothing.
    expect(pair.client.connection.write(3, Buffer.from('x'), false)).toBe(0)
  })

  it('refuse an end that stands alone, since the real engine may lose it', () => {
    const { pair } = established()
    const stream = pair.client.connection.openStream('bidirectional')!
    expect(() => pair.client.connection.write(stream, Buffer.alloc(0), true)).toThrow('needs a byte')
    expect(pair.client.connection.write(stream, Buffer.from('x'), true)).toBe(1)
    expect(pair.client.connection.write(stream, Buffer.from('x'), true)).toBe(0)
  })

  it('report a reset once, and discard what was not read', () => {
    const { pair, client, server } = established()
    server.asleep.add(0)
    const stream = pair.client.connection.openStream('bidirectional')!
    pair.client.connection.write(stream, Buffer.alloc(3000), false)
    pair.client.schedule()
    pair.clock.advance(30)
    pair.client.connection.reset(stream, 0x10c)
    pair.client.schedule()
    pair.clock.advance(3000)
    expect(server.events.filter(({ type }) => type === 'reset')).toEqual([
      { type: 'reset', stream, code: 0x10c },
    ])
    expect(pair.server.connection.read(stream, Buffer.alloc(10))).toBeUndefined()
    // The answer is not broken off by it.
    server.send(stream, Buffer.from('fine'))
    pair.until(() => client.ended.includes(stream))
    pair.until(() => pair.server.connection.openStreams === 0 && pair.client.connection.openStreams === 0)
  })

  it('are read to the end even if reset, when everything had come', () => {
    const { pair, client, server } = established()
    server.asleep.add(0)
    client.open(Buffer.from('whole'))
    pair.clock.advance(25)
    pair.client.connection.reset(0, 1)
    pair.client.schedule()
    pair.clock.advance(25)
    server.asleep.delete(0)
    server.read(0, pair.now)
    expect(server.collected(0)).toMatchObject({ outcome: 'end', bytes: Buffer.from('whole') })
    expect(server.eventTypes).not.toContain('reset')
  })

  it('are reported as readable again, once per turn, as long as they have bytes', () => {
    const { pair, client, server } = established()
    const seen: number[] = []
    server.onEvent = (event, now) => event.type === 'readable' && seen.push(now)
    server.asleep.add(0)
    const start = pair.now
    client.open(Buffer.from('left lying'))
    pair.clock.advance(25)
    client.open(Buffer.from('another'))
    pair.clock.advance(25)
    expect(seen.map(now => now - start)).toEqual([20, 45, 45])
  })

  it('leave by urgency, then by number, the incremental ones in turns', () => {
    const engine = new SimulatedEngine({ streamsPerPacket: 1, congestionWindowBytes: 100_000 })
    const { pair } = established({ engine })
    const { connection } = pair.client
    const ids = [0, 1, 2, 3, 4].map(() => connection.openStream('bidirectional')!)
    const [first, second, third, fourth, last] = ids as [number, number, number, number, number]
    for (const id of [first, second]) connection.prioritize(id, 3, true)
    connection.prioritize(third, 3, false)
    connection.prioritize(fourth, 3, false)
    connection.prioritize(last, 0, true)
    for (const id of ids) connection.write(id, Buffer.alloc(2000), true)
    const order: number[] = []
    pair.drop((from, { frames }) => {
      for (const frame of frames) if (from === 'client' && frame.type === 'stream') order.push(frame.stream)
      return false
    })
    pair.client.schedule()
    pair.clock.advance(1)
    expect(order).toEqual([last, last, third, third, fourth, fourth, first, second, first, second])
  })

  it('carry what neither side broke off, when the rest of them is broken off at random', () => {
    const { pair, client, server } = established({
      conditions: { latencyMs: 10, lossRate: 0.1, reorderRate: 0.2, duplicateRate: 0.1 },
      seed: 5,
    })
    const streams = Array.from({ length: 60 }, () => client.open(Buffer.alloc(5000, 3)))
    pair.clock.advance(3)
    streams.forEach((stream, i) => {
      if (i % 3 === 1) pair.client.connection.reset(stream, 1)
      if (i % 3 === 2) pair.server.connection.stop(stream, 2)
    })
    pair.clock.advance(30)
    for (const stream of streams.filter((_, i) => i % 3 === 2)) pair.server.connection.stop(stream, 2)
    pair.client.schedule()
    pair.server.schedule()
    const kept = streams.filter((_, i) => i % 3 === 0)
    pair.until(() => kept.every(stream => server.collected(stream).outcome === 'end'))
    for (const stream of kept) expect(server.collected(stream).bytes.length).toBe(5000)
    const broken = streams.filter((_, i) => i % 3 === 1)
    pair.until(() => broken.every(stream => server.collected(stream).outcome !== 'open'))
    for (const stream of streams) server.send(stream, Buffer.from('done'))
    pair.until(() => pair.client.connection.openStreams === 0 && pair.server.connection.openStreams === 0)
  })
})
