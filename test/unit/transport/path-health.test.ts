import { expect, it } from 'vitest'
import type { QuicStats } from '../../../src/quic/engine.ts'
import { pathHealth } from '../../../src/transport/path-health.ts'

it('the figures of several connections are as one', () => {
  const stats = (rttMs: number, sentPackets: number, lostPackets: number): QuicStats => ({
    rttMs,
    sentPackets,
    lostPackets,
    receivedPackets: 0,
    receivedBytes: 0,
    sentBytes: 0,
    congestionWindowBytes: 0,
  })
  expect(pathHealth([])).toBeUndefined()
  expect(pathHealth([stats(10, 0, 0)])).toEqual({ connections: 1, rttMs: 10, lossRatio: 0 })
  expect(pathHealth([stats(10, 300, 1), stats(30, 100, 3)])).toEqual({
    connections: 2,
    rttMs: 20,
    lossRatio: 0.01,
  })
})
