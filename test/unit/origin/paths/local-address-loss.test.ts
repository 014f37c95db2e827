import { describe, expect, it } from 'vitest'
import type { Connection } from '../../../../src/base/events/connection.ts'
import { LocalAddressLoss } from '../../../../src/origin/paths/local-address-loss.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

const CHECK_MS = 5_000

/** A machine with addresses, and a pool that closes idle connections when they are retired. */
function setUp() {
  const clock = new FakeClock()
  const machine = { addresses: ['127.0.0.1', '192.0.2.1', '192.0.2.2'], looks: 0 }
  const log: string[] = []
  const open = new Map<Connection, { isIdle: boolean }>()
  const loss = new LocalAddressLoss({
    clock,
    present: () => {
      machine.looks += 1
      return new Set(machine.addresses)
    },
    checkMs: CHECK_MS,
    connections: () => [...open.keys()],
    retire: (connection, reason) => {
      log.push(`retire ${connection.id} for ${reason}`)
      if (open.get(connection)?.isIdle === true) open.delete(connection)
    },
  })
  let lastId = 0
  const connect = (localAddress: string | undefined, isIdle = false): Connection => {
    lastId += 1
    const id = lastId
    const connection = {
      id,
      close: (reason: string) => {
        log.push(`close ${id} for ${reason}`)
        open.delete(connection)
      },
    } as Connection // what is used of one
    loss.onConnected(connection, localAddress)
    open.set(connection, { isIdle })
    return connection
  }
  const lose = (...addresses: string[]): void => {
    machine.addresses = machine.addresses.filter(address => !addresses.includes(address))
    loss.onAddresses(new Set(machine.addresses))
  }
  const gain = (...addresses: string[]): void => {
    machine.addresses.push(...addresses)
    loss.onAddresses(new Set(machine.addresses))
  }
  return { clock, machine, log, loss, open, connect, lose, gain }
}

describe('LocalAddressLoss', () => {
  it('ends idle connections at once, and those with exchanges when the address is still gone at the next look', () => {
    const { clock, log, connect, lose } = setUp()
    connect('192.0.2.1', true)
    connect('192.0.2.1')
    connect('192.0.2.2')
    lose('192.0.2.1')
    expect(log).toEqual(['retire 1 for address-gone', 'retire 2 for address-gone'])
    clock.advance(CHECK_MS - 1)
    expect(log).toHaveLength(2)
    clock.advance(1)
    expect(log.slice(2)).toEqual(['close 2 for path-failed'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('keeps those with exchanges when the address is back by then', () => {
    const { clock, log, connect, lose, gain } = setUp()
    connect('192.0.2.1')
    lose('192.0.2.1')
    clock.advance(1_000)
    gain('192.0.2.1')
    clock.advance(60_000)
    expect(log).toEqual(['retire 1 for address-gone'])
    lose('192.0.2.1')
    clock.advance(CHECK_MS)
    expect(log.slice(1), 'the second loss has its own time').toEqual([
      'retire 1 for address-gone',
      'close 1 for path-failed',
    ])
  })

  it('gives each address its own time', () => {
    const { clock, log, connect, lose } = setUp()
    connect('192.0.2.1')
    connect('192.0.2.2')
    lose('192.0.2.1')
    clock.advance(3_000)
    lose('192.0.2.2')
    clock.advance(2_000)
    expect(log.filter(line => line.startsWith('close'))).toEqual(['close 1 for path-failed'])
    clock.advance(3_000)
    expect(log.at(-1)).toBe('close 2 for path-failed')
    expect(log.filter(line => line.startsWith('retire'))).toHaveLength(2)
  })

  it('leaves alone what this machine never listed, and any address of a loopback that is there', () => {
    const { clock, log, connect, lose } = setUp()
    connect('198.51.100.9')
    connect(undefined)
    connect('127.0.0.5')
    lose('192.0.2.1')
    clock.advance(60_000)
    expect(log).toEqual([])
    lose('127.0.0.1')
    expect(log).toEqual(['retire 3 for address-gone'])
  })

  it('reads the addresses of the machine only for one that it does not know yet, and knows link-local ones without their zone', () => {
    const { machine, log, connect, lose, gain } = setUp()
    for (let i = 0; i < 10; i += 1) connect('192.0.2.1')
    expect(machine.looks).toBe(1)
    machine.addresses.push('192.0.2.7', 'fe80::1')
    connect('192.0.2.7')
    connect('fe80::1%eth0')
    expect(machine.looks).toBe(2)
    lose('192.0.2.7', 'fe80::1')
    expect(log).toEqual(['retire 11 for address-gone', 'retire 12 for address-gone'])
    gain('192.0.2.7')
  })

  it('does nothing more when it is closed', () => {
    const { clock, log, loss, connect, lose } = setUp()
    connect('192.0.2.1')
    lose('192.0.2.1')
    loss.close()
    clock.advance(60_000)
    expect([log.length, clock.pendingTimers()]).toEqual([1, 0])
  })
})

it('a connection that cannot be ended keeps no other one open', () => {
  const heard = collectFaults()
  const { clock, machine, loss, log, connect } = setUp()
  const spoiled = connect('192.0.2.1')
  connect('192.0.2.1')
  spoiled.close = fail
  machine.addresses = ['127.0.0.1']
  loss.onAddresses(new Set(machine.addresses))
  clock.advance(CHECK_MS)
  expect(heard()).toEqual([`ending a lost connection: ${String(DEFECT)}`])
  expect(log.at(-1)).toBe('close 2 for path-failed')
})
