import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type LinkConditions, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'

describe('a simulated pipe', () => {
  it('delivers bytes in order after the latency, and the end behind them', () => {
    const clock = new FakeClock()
    const [client, server] = new SimulatedNetwork(clock).pipe({ latencyMs: 10 })
    const seen: string[] = []
    server.onData = chunk => seen.push(`${chunk.toString()}@${clock.now()}`)
    server.onEnd = () => seen.push(`end@${clock.now()}`)
    const reused = Buffer.from('one')
    client.write(reused)
    reused.fill('x')
    clock.advance(4)
    client.write(Buffer.from('two'))
    client.end()
    expect(client.bytesInFlight).toBe(6)
    clock.advance(100)
    expect(seen).toEqual(['one@10', 'two@14', 'end@14'])
    expect(client.bytesInFlight).toBe(0)
    expect(() => client.write(Buffer.of(1))).toThrow('ended')
  })

  it('takes the time that the bandwidth needs, one piece after the other', () => {
    const clock = new FakeClock()
    const [client, server] = new SimulatedNetwork(clock).pipe({ latencyMs: 10, bytesPerSecond: 1000 })
    const arrivals: number[] = []
    server.onData = () => arrivals.push(clock.now())
    client.write(Buffer.alloc(100))
    client.write(Buffer.alloc(50))
    clock.advance(1000)
    expect(arrivals).toEqual([110, 160])
  })

  it('loses what is under way when it is reset, in both directions', () => {
    const clock = new FakeClock()
    const [client, server] = new SimulatedNetwork(clock).pipe({ latencyMs: 10 })
    let resets = 0
    client.onData = () => expect.unreachable()
    server.onData = () => expect.unreachable()
    server.onReset = () => resets++
    client.onReset = () => expect.unreachable()
    client.write(Buffer.of(1))
    server.write(Buffer.of(1))
    client.reset()
    clock.advance(50)
    expect(resets).toBe(1)
    expect(() => server.write(Buffer.of(1))).toThrow('reset')
  })
})

describe('a simulated datagram link', () => {
  const run = (seed: number, conditions: LinkConditions): number[] => {
    const clock = new FakeClock()
    const [client, server] = new SimulatedNetwork(clock, seed).link(conditions)
    const seen: number[] = []
    server.onDatagram = datagram => seen.push(datagram.readUInt16BE(0))
    for (let i = 0; i < 1000; i++) {
      const datagram = Buffer.alloc(10)
      datagram.writeUInt16BE(i, 0)
      client.send(datagram)
      clock.advance(1)
    }
    clock.advance(1000)
    expect(clock.pendingTimers()).toBe(0)
    return seen
  }
  const all = Array.from({ length: 1000 }, (_, i) => i)

  it('delivers every datagram in order when nothing is wrong', () => {
    expect(run(1, { latencyMs: 5 })).toEqual(all)
  })

  it('loses, duplicates and reorders about as many as it is set to', () => {
    const lossy = run(7, { latencyMs: 5, lossRate: 0.1 })
    expect(lossy.length).toBeGreaterThan(860)
    expect(lossy.length).toBeLessThan(940)
    const doubled = run(7, { latencyMs: 5, duplicateRate: 0.1 })
    expect(doubled.length).toBeGreaterThan(1060)
    expect(doubled.length).toBeLessThan(1140)
    expect([...new Set(doubled)]).toEqual(all)
    const reordered = run(7, { latencyMs: 5, reorderRate: 0.1, reorderDelayMs: 3 })
    expect(reordered).not.toEqual(all)
    expect(reordered.toSorted((a, b) => a - b)).toEqual(all)
    const overtaken = reordered.filter((n, i) => i > 0 && n < (reordered[i - 1] ?? 0)).length
    expect(overtaken).toBeGreaterThan(60)
    expect(overtaken).toBeLessThan(140)
  })

  it('runs the same for the same seed, and differently for another', () => {
    const conditions = { latencyMs: 5, lossRate: 0.2, duplicateRate: 0.2, reorderRate: 0.2 }
    expect(run(3, conditions)).toEqual(run(3, conditions))
    expect(run(3, conditions)).not.toEqual(run(4, conditions))
  })

  it('drops what is too large, and everything once it became a black hole', () => {
    const clock = new FakeClock()
    const conditions: LinkConditions = { latencyMs: 1, maxDatagramBytes: 1200 }
    const [client, server] = new SimulatedNetwork(clock).link(conditions)
    const sizes: number[] = []
    server.onDatagram = datagram => sizes.push(datagram.length)
    client.send(Buffer.alloc(1201))
    client.send(Buffer.alloc(1200))
    conditions.lossRate = 1
    client.send(Buffer.alloc(10))
    clock.advance(10)
    expect(sizes).toEqual([1200])
    expect(client.stats).toEqual({ sent: 3, lost: 2, duplicated: 0, reordered: 0 })
  })
})
