import { describe, expect, it } from 'vitest'
import { onContainedFault } from '../../../../src/base/guard.ts'
import { type MachineAddress, NetworkWatch } from '../../../../src/origin/paths/network-watch.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

/** `eth0 192.0.2.1`, one a line. */
const addressesOf = (text: string): MachineAddress[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [name = '', address = ''] = line.split(' ')
      return { interface: name, address }
    })

describe('NetworkWatch', () => {
  const setUp = (intervalMs = 1_000) => {
    const clock = new FakeClock()
    const machine = { addresses: 'eth0 192.0.2.1', looks: 0, failure: undefined as Error | undefined } // as: tests set it
    const changes: number[] = []
    const present: string[][] = []
    const watch = new NetworkWatch(
      clock,
      intervalMs,
      addresses => {
        changes.push(clock.now())
        present.push([...addresses])
      },
      () => {
        machine.looks += 1
        if (machine.failure !== undefined) throw machine.failure
        return addressesOf(machine.addresses)
      },
    )
    return { clock, machine, changes, present, watch }
  }

  it('reports each change once', () => {
    const { clock, machine, changes } = setUp()
    clock.advance(5_000)
    machine.addresses = 'wlan0 198.51.100.1'
    clock.advance(5_000)
    machine.addresses = 'eth0 192.0.2.1'
    clock.advance(5_000)
    expect(changes).toEqual([6_000, 11_000])
  })

  it('passes on the addresses that are there now, including link-local ones, whose coming and going is no change', () => {
    const { clock, machine, changes, present, watch } = setUp()
    machine.addresses = 'eth0 192.0.2.1\neth0 fe80::1'
    clock.advance(1_000)
    expect(changes).toEqual([])
    machine.addresses = 'eth0 fe80::1\nwlan0 198.51.100.1'
    clock.advance(1_000)
    expect(present).toEqual([['fe80::1', '198.51.100.1']])
    expect([...watch.present()]).toEqual(['fe80::1', '198.51.100.1'])
  })

  it('treats an address on another interface as another network', () => {
    const { clock, machine, changes } = setUp()
    machine.addresses = 'wlan0 192.0.2.1'
    clock.advance(1_000)
    expect(changes).toHaveLength(1)
  })

  it('reads once each interval, and goes on when a listener throws', () => {
    const clock = new FakeClock()
    let looks = 0
    const watch = new NetworkWatch(
      clock,
      100,
      () => {
        throw new Error('broken')
      },
      () => addressesOf(`eth0 ${(looks += 1)}`),
    )
    expect(() => clock.advance(100)).toThrow('broken')
    expect(() => clock.advance(100)).toThrow('broken')
    expect(looks).toBe(3)
    watch.close()
  })

  it('never reads at an interval of 0', () => {
    const { clock, machine } = setUp(0)
    clock.advance(1_000_000)
    expect([machine.looks, clock.pendingTimers()]).toEqual([0, 0])
  })

  it('keeps the last addresses while they cannot be read, reports that, and reads again', () => {
    const { clock, machine, changes, watch } = setUp()
    const faults: unknown[] = []
    const stop = onContainedFault(({ error }) => void faults.push(error))
    const before = [...watch.present()]
    machine.failure = new Error('uv_interface_addresses')
    clock.advance(2_000)
    expect([changes, [...watch.present()]]).toEqual([[], before])
    expect(faults).toEqual([machine.failure, machine.failure, machine.failure])
    machine.failure = undefined
    machine.addresses = 'eth0 192.0.2.77'
    clock.advance(1_000)
    stop()
    expect(changes).toHaveLength(1)
    watch.close()
  })

  it('begins without any address where none can be read', () => {
    const stop = onContainedFault(() => {})
    const watch = new NetworkWatch(
      new FakeClock(),
      100,
      () => {},
      () => {
        throw new Error('uv_interface_addresses')
      },
    )
    expect([...watch.present()]).toEqual([])
    stop()
    watch.close()
  })

  it('stops when it is closed', () => {
    const { clock, machine, changes, watch } = setUp()
    watch.close()
    machine.addresses = ''
    clock.advance(10_000)
    expect([changes, machine.looks, clock.pendingTimers()]).toEqual([[], 1, 0])
  })

  it('stops when a listener closes it on a change', () => {
    const clock = new FakeClock()
    let addresses = 'eth0 a'
    const watch: NetworkWatch = new NetworkWatch(
      clock,
      100,
      () => watch.close(),
      () => addressesOf(addresses),
    )
    addresses = 'eth0 b'
    clock.advance(1_000)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('finds the addresses of this machine unchanged when nothing changes', () => {
    const clock = new FakeClock()
    let changes = 0
    const watch = new NetworkWatch(clock, 100, () => void changes++)
    clock.advance(300)
    watch.close()
    expect(changes).toBe(0)
  })
})
