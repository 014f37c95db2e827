import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Connection, ConnectionListener } from '../../../../src/base/events/connection.ts'
import { EarlyDataWatch } from '../../../../src/origin/connecting/early-data-watch.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

describe('EarlyDataWatch', () => {
  let clock: FakeClock
  let log: string[]
  let watch: EarlyDataWatch
  const broken = new TransportError('MM_PROTOCOL_ERROR', 'STREAM_LIMIT')
  const connection = { close: reason => void log.push(`close ${reason}`) } as Connection // what a watch does to one
  beforeEach(() => {
    clock = new FakeClock()
    log = []
    const listener: ConnectionListener = {
      onCapacityChanged: () => void log.push('capacity'),
      onStreamClosed: (_connection, failed) => void log.push(`stream ${failed}`),
      onDraining: (_connection, reason) => void log.push(`draining ${reason}`),
      onClosed: (_connection, reason) => void log.push(`closed ${reason}`),
    }
    watch = new EarlyDataWatch(listener, { onHarm: () => void log.push('harm') })
    watch.watch(connection, 5_000, clock)
  })

  it('passes on the events of the connection', () => {
    watch.onCapacityChanged(connection)
    watch.onStreamClosed(connection, true)
    watch.onDraining(connection, 'peer-closed')
    watch.onClosed(connection, 'idle-timeout')
    expect(log).toEqual(['capacity', 'stream true', 'draining peer-closed', 'closed idle-timeout'])
  })

  it('ends a connection whose handshake does not end in time', () => {
    clock.advance(4_999)
    expect(log).toEqual([])
    clock.advance(1)
    expect(log).toEqual(['close timeout'])
  })

  it('leaves a connection alone whose handshake ended, or that is gone', () => {
    watch.onHandshake()
    clock.advance(60_000)
    expect(log).toEqual([])
    const other = new EarlyDataWatch(
      { ...({} as ConnectionListener), onClosed: () => {} },
      { onHarm: () => {} },
    )
    other.watch(connection, 5_000, clock)
    other.onClosed(connection, 'shutdown')
    clock.advance(60_000)
    expect(log).toEqual([])
  })

  it('reports harm by early data once, and before the exchanges are notified that their connection broke', () => {
    watch.onDraining(connection, 'protocol-error')
    watch.onStreamClosed(connection, true)
    watch.onClosed(connection, 'protocol-error', broken)
    expect(log).toEqual(['harm', 'draining protocol-error', 'stream true', 'closed protocol-error'])
  })

  it('reports harm also when nothing was under way, and when the handshake was complete already', () => {
    watch.onHandshake()
    watch.onClosed(connection, 'network-error', broken)
    expect(log).toEqual(['harm', 'closed network-error'])
  })

  it('does not blame the ticket once the connection has served', () => {
    watch.onHandshake()
    watch.onStreamClosed(connection, false)
    watch.onClosed(connection, 'network-error', broken)
    expect(log).toEqual(['stream false', 'closed network-error'])
  })

  it('does not blame the ticket for an intended end', () => {
    watch.onClosed(connection, 'idle-timeout')
    expect(log).toEqual(['closed idle-timeout'])
  })
})
