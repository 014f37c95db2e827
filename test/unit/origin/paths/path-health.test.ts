import { expect, it } from 'vitest'
import type { Connection } from '../../../../src/base/events/connection.ts'
import type { PathStats } from '../../../../src/base/events/path-stats.ts'
import type { Protocol } from '../../../../src/base/http/protocol.ts'
import type { MeasuredPath } from '../../../../src/origin/connecting/origin-connector.ts'
import { pathHealth, pathsByProtocol } from '../../../../src/origin/paths/path-health.ts'

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

it('the figures of several connections are as one', () => {
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

it('what came out of order is compared with what came where that is counted', () => {
  expect(pathHealth([FAST, TCP])).toEqual({
    connections: 2,
    rttMs: 30,
    lossRatio: 5 / 400,
    outOfOrderRatio: 0.25,
  })
})

it('a SYN that was sent again does not make for more losses than packets', () => {
  expect(pathHealth([path('http/1.1', { sentPackets: 1, lostPackets: 2 })])?.lossRatio).toBe(1)
})

it('each protocol has its own', () => {
  expect(pathsByProtocol([])).toEqual({})
  expect(pathsByProtocol([FAST, TCP, SLOW])).toEqual({
    h3: { connections: 2, rttMs: 20, lossRatio: 0.01, outOfOrderRatio: undefined },
    h2: { connections: 1, rttMs: 50, lossRatio: 0.04, outOfOrderRatio: 0.25 },
  })
})
