import { describe, expect, it } from 'vitest'
import type { Pool } from '../../../src/pool/pool.ts'
import { Lane } from '../../../src/transport/lane.ts'
import type { OriginConnector } from '../../../src/transport/origin-connector.ts'
import { PathReader } from '../../../src/transport/path-reader.ts'

/** A lane over connections that have sent and lost so many packets. */
function setUp() {
  const paths: { rttMs: number; sentPackets: number; lostPackets: number }[] = []
  const pool = { connections: () => [] } as unknown as Pool // what is asked of one
  const lane = new Lane('h3', pool, { pathsOf: () => paths } as unknown as OriginConnector) // the same
  const reader = new PathReader()
  const reads = (exchanges = 16) =>
    Array.from({ length: exchanges }, () => reader.onExchange(lane)).filter(read => read !== undefined)
  return { paths, reader, reads }
}

describe('PathReader', () => {
  it('looks after every 16th exchange', () => {
    const { paths, reads } = setUp()
    paths.push({ rttMs: 20, sentPackets: 100, lostPackets: 5 })
    expect([reads(15), reads(1), reads(15)]).toEqual([[], [{ rttMs: 20, lossRatio: 0.05 }], []])
  })

  it('tells the loss since it looked last, over all connections', () => {
    const { paths, reads } = setUp()
    paths.push({ rttMs: 20, sentPackets: 100, lostPackets: 0 })
    reads()
    paths[0]!.sentPackets = 150
    paths.push({ rttMs: 40, sentPackets: 50, lostPackets: 10 })
    expect(reads()).toEqual([{ rttMs: 20, lossRatio: 0.1 }])
  })

  it('tells no loss when nothing was sent, or a connection took its figures with it', () => {
    const { paths, reads } = setUp()
    paths.push({ rttMs: 20, sentPackets: 100, lostPackets: 10 })
    reads()
    expect(reads()).toEqual([{ rttMs: 20, lossRatio: undefined }])
    paths[0] = { rttMs: 30, sentPackets: 120, lostPackets: 0 }
    expect(reads()).toEqual([{ rttMs: 30, lossRatio: undefined }])
  })

  it('never tells more loss than there were packets', () => {
    const { paths, reads } = setUp()
    paths.push({ rttMs: 20, sentPackets: 10, lostPackets: 12 })
    expect(reads()).toEqual([{ rttMs: 20, lossRatio: 1 }])
  })

  it('sees nothing without a lane, or a connection on it', () => {
    const { reader, reads } = setUp()
    expect(reads()).toEqual([])
    expect(Array.from({ length: 16 }, () => reader.onExchange(undefined))).toEqual(
      Array.from({ length: 16 }, () => undefined),
    )
  })
})
