import { expect, it } from 'vitest'
import { ConnectionTally } from '../../../../src/cli/get/tallies.ts'
import type { Connection } from '../../../../src/entry/events.ts'
import { parseOrigin, TransportError } from '../../../../src/index.ts'
import { fakeConnection } from '../../service/fake-connection.ts'

it('connections are counted by what their handshakes turned out to be', () => {
  const tally = new ConnectionTally()
  const origin = parseOrigin('https://shop.test')
  const open = (kind: 'full' | 'early_data'): Connection => {
    const connection = fakeConnection({ kind })
    tally.observe({ type: 'connection-opened', origin, connection })
    return connection
  }
  open('full')
  const [accepted, rejected, broken, pending] = [1, 2, 3, 4].map(() => open('early_data'))
  expect([tally.newConnections, tally.handshakes.early_data]).toEqual([5, 4])
  accepted!.handshake.earlyData = 'accepted'
  tally.observe({ type: 'early-data', origin, connection: accepted!, outcome: 'accepted' })
  Object.assign(rejected!.handshake, { kind: 'full', earlyData: 'rejected' })
  tally.observe({ type: 'early-data', origin, connection: rejected!, outcome: 'rejected' })
  for (const connection of [accepted!, rejected!, broken!]) {
    const error = new TransportError('MM_CONNECTION_CLOSED', 'x')
    const figures = { reason: 'network-error', error, ageMs: 1, requests: 1 } as const
    tally.observe({ type: 'connection-closed', origin, connection, ...figures })
  }
  expect(pending!.handshake.kind).toBe('early_data')
  expect(tally.handshakes).toEqual({ none: 0, full: 2, resumed: 0, early_data: 3 })
  expect(tally.newConnections).toBe(5)
})
