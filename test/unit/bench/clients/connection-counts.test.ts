import { describe, expect, it } from 'vitest'
import { ConnectionCounts } from '../../../../src/bench/clients/socket-counts.ts'
import type { Connection, HandshakeInfo } from '../../../../src/entry/events.ts'
import { parseOrigin } from '../../../../src/index.ts'
import { fakeConnection } from '../../service/fake-connection.ts'

const origin = parseOrigin('https://a.example')

function connectionOf(kind: HandshakeInfo['kind']): Connection {
  const connection = fakeConnection()
  return { ...connection, handshake: { ...connection.handshake, kind } }
}

describe('connections of our transport', () => {
  it('are counted by their handshakes, and as open until they are closed', () => {
    const counts = new ConnectionCounts()
    const kinds = ['full', 'full', 'resumed', 'none'] as const
    const connections = kinds.map(connectionOf)
    for (const connection of connections) counts.observe({ type: 'connection-opened', origin, connection })
    expect(counts.facts()).toEqual({ opened: { full: 2, resumed: 1, earlyData: 0, cleartext: 1 }, open: 4 })
    counts.observe(closedOf(connections[0] as Connection)) // there are four
    expect(counts.facts()).toMatchObject({ opened: { full: 2 }, open: 3 })
  })

  it('in early data are counted by what became of it', () => {
    const counts = new ConnectionCounts()
    const connection = connectionOf('early_data')
    counts.observe({ type: 'connection-opened', origin, connection })
    expect(counts.facts().opened).toMatchObject({ earlyData: 1, full: 0 })
    ;(connection.handshake as { kind: string }).kind = 'full' // as a connection does whose early data was refused
    counts.observe({ type: 'early-data', origin, connection, outcome: 'rejected' })
    counts.observe(closedOf(connection))
    expect(counts.facts()).toMatchObject({ opened: { earlyData: 0, full: 1 }, open: 0 })
  })
})

function closedOf(connection: Connection) {
  return {
    type: 'connection-closed',
    origin,
    connection,
    reason: 'idle-timeout',
    error: undefined,
    ageMs: 1,
    requests: 1,
  } as const
}
