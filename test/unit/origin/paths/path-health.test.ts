import { describe, expect, it } from 'vitest'
import type { Connection, PathStats } from '../../../../src/base/events/connection.ts'
import type { Protocol } from '../../../../src/base/http/protocol.ts'
import type { MeasuredPath, OriginConnector } from '../../../../src/origin/connecting/origin-connector.ts'
import { Lane } from '../../../../src/origin/lanes/lane.ts'
import { PathReader, pathHealth, pathsByProtocol } from '../../../../src/origin/paths/path-health.ts'
import type { Pool } from '../../../../src/pool/pool.ts'

type Figures = Pick<PathStats, 'rttMs' | 'sentPackets' | 'lostPackets'>

/** A lane over connections that have sent and lost so many packets. */
function setUp() {
  const figures = new Map<Connection, Figures>()
  const asked: Connection[][] = []
  const pool = { connections: () => figures.keys() } as unknown as Pool // what is asked of one
  const pathsOf = (connections: Iterable<Connection>) => {
    asked.push([...connections])
    return asked.at(-1)!.map(connection => ({ connection, stats: figures.get(connection)! }))
  }
  const lane = new Lane('h3', pool, { pathsOf } as unknown as OriginConnector) // the same
  const reader = new PathReader()
  const connect = (rttMs: number, sentPackets: number, lostPackets: number) => {
    const connection = { id: figures.size } as Connection // its identity is all that counts
    const stats = { rttMs, sentPackets, lostPackets }
    figures.set(connection, stats)
    return { connection, stats, close: () => figures.delete(connection) }
  }
  let now = 0
  // Each comes 10 ms after the last one: 16 take longer than the pause.
  const reads = (exchanges = 16, everyMs = 10) =>
    Array.from({ length: exchanges }, () => reader.onExchange(lane, (now += everyMs)))
      .filter(read => read !== undefined)
      .map(({ connection, stats, lossRatio }) => ({ id: connection.id, rttMs: stats.rttMs, lossRatio }))
  return { connect, reader, reads, asked }
}

describe('PathReader', () => {
  it('reads after every 16th exchange', () => {
    const { connect, reads, asked } = setUp()
    connect(20, 100, 5)
    expect([reads(15), asked.length, reads(1), reads(15)]).toEqual([
      [],
      0,
      [{ id: 0, rttMs: 20, lossRatio: 0.05 }],
      [],
    ])
  })

  it('reads no more often than every 50 ms, however many there are', () => {
    const { connect, reads } = setUp()
    connect(20, 100, 5)
    expect(reads(16)).toHaveLength(1)
    expect(reads(490, 0.1)).toEqual([])
    expect(reads(11, 0.1)).toHaveLength(1)
  })

  it('reports the loss since the last read, over all connections', () => {
    const { connect, reads } = setUp()
    const { stats } = connect(20, 100, 0)
    reads()
    stats.sentPackets = 150
    connect(40, 50, 10)
    expect(reads()).toEqual([{ id: 0, rttMs: 20, lossRatio: 0.1 }])
  })

  it('reports the round trip of the connection that sent most since then', () => {
    const { connect, reads } = setUp()
    const one = connect(20, 1_000, 0)
    const other = connect(40, 10, 0)
    expect(reads()).toMatchObject([{ id: 0 }])
    one.stats.sentPackets += 5
    other.stats.sentPackets += 6
    expect(reads()).toEqual([{ id: 1, rttMs: 40, lossRatio: 0 }])
  })

  it('reports no loss when nothing was sent', () => {
    const { connect, reads } = setUp()
    connect(20, 100, 10)
    reads()
    expect(reads()).toEqual([{ id: 0, rttMs: 20, lossRatio: undefined }])
  })

  it('is not confused by connections that end and take their figures with them', () => {
    const { connect, reads } = setUp()
    const { close } = connect(20, 1_000, 100)
    const { stats } = connect(30, 100, 10)
    reads()
    close()
    stats.sentPackets += 100
    stats.lostPackets += 2
    expect(reads()).toEqual([{ id: 1, rttMs: 30, lossRatio: 0.02 }])
  })

  it('never reports negative losses, when packets sent again in vain become known later', () => {
    const { connect, reads } = setUp()
    const { stats } = connect(20, 100, 4)
    reads()
    stats.sentPackets += 10
    stats.lostPackets -= 1
    expect(reads()).toEqual([{ id: 0, rttMs: 20, lossRatio: 0 }])
  })

  it('never reports more loss than there were packets', () => {
    const { connect, reads } = setUp()
    connect(20, 10, 12)
    expect(reads()).toEqual([{ id: 0, rttMs: 20, lossRatio: 1 }])
  })

  it('reads 16 connections at a time, and all of them in turn', () => {
    const { connect, reads, asked } = setUp()
    for (let index = 0; index < 40; index += 1) connect(20, 1, 0)
    for (let reading = 0; reading < 5; reading += 1) reads()
    expect(asked.map(({ length }) => length)).toEqual([16, 16, 16, 16, 16])
    const counts = new Map<number, number>()
    for (const { id } of asked.flat()) counts.set(id, (counts.get(id) ?? 0) + 1)
    expect([counts.size, new Set(counts.values())]).toEqual([40, new Set([2])])
  })

  it('reports nothing without a lane, or a connection on it', () => {
    const { reader, reads } = setUp()
    expect(reads()).toEqual([])
    expect(Array.from({ length: 16 }, (_, at) => reader.onExchange(undefined, at))).toEqual(
      Array.from({ length: 16 }, () => undefined),
    )
  })

  it('reports bytes behind a gap since the last read, where that is counted', () => {
    const connection = { id: 1 } as Connection // its identity is all that counts
    const pool = { connections: () => [connection] } as unknown as Pool // what is asked of one
    let stats = { rttMs: 20, sentPackets: 10, lostPackets: 0, receivedPackets: 100, outOfOrderPackets: 5 }
    const connector = { pathsOf: () => [{ connection, stats }] } as unknown as OriginConnector // the same
    const lane = new Lane('tcp', pool, connector)
    const reader = new PathReader()
    const read = (now: number) => {
      for (let index = 0; index < 15; index++) reader.onExchange(lane, now)
      return reader.onExchange(lane, now)?.outOfOrderRatio
    }
    const first = read(100)
    stats = { ...stats, receivedPackets: 300, outOfOrderPackets: 7 }
    const second = read(200)
    expect([first, second, read(300)]).toEqual([0.05, 0.01, undefined])
  })
})

const path = (protocol: Protocol, stats: Partial<PathStats>): MeasuredPath => ({
  connection: { protocol } as Connection, // all that is looked at
  stats: {
    rttMs: 10,
    sentPackets: 0,
    lostPackets: 0,
    receivedPackets: 0,
    receivedBytes: 0,
    sentBytes: 0,
    congestionWindowBytes: 0,
    ...stats,
  },
})

const FAST = path('h3', { rttMs: 10, sentPackets: 300, lostPackets: 1, receivedPackets: 1_000 })
const SLOW = path('h3', { rttMs: 30, sentPackets: 100, lostPackets: 3, receivedPackets: 1_000 })
const TCP = path('h2', {
  rttMs: 50,
  sentPackets: 100,
  lostPackets: 4,
  receivedPackets: 400,
  outOfOrderPackets: 100,
})

it('path health sums the figures of several connections', () => {
  expect(pathHealth([])).toBeUndefined()
  expect(pathHealth([path('h3', {})])).toEqual({
    connections: 1,
    rttMs: 10,
    lossRatio: 0,
    outOfOrderRatio: undefined,
  })
  expect(pathHealth([FAST, SLOW])).toEqual({
    connections: 2,
    rttMs: 20,
    lossRatio: 0.01,
    outOfOrderRatio: undefined,
  })
})

it('path health compares bytes out of order with all bytes where both are counted', () => {
  expect(pathHealth([FAST, TCP])).toEqual({
    connections: 2,
    rttMs: 30,
    lossRatio: 5 / 400,
    outOfOrderRatio: 0.25,
  })
})

it('path health counts no more losses than packets when a SYN was sent again', () => {
  expect(pathHealth([path('http/1.1', { sentPackets: 1, lostPackets: 2 })])?.lossRatio).toBe(1)
})

it('path health is separate for each protocol', () => {
  expect(pathsByProtocol([])).toEqual({})
  expect(pathsByProtocol([FAST, TCP, SLOW])).toEqual({
    h3: { connections: 2, rttMs: 20, lossRatio: 0.01, outOfOrderRatio: undefined },
    h2: { connections: 1, rttMs: 50, lossRatio: 0.04, outOfOrderRatio: 0.25 },
  })
})
