import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { PortBudget, type PortLease } from '../../../../src/connect/local/port-budget.ts'

const PAIR = { transport: 'tcp', local: '192.0.2.7', remote: '198.51.100.1:443' } as const

function budget(share: number, count: number | undefined): PortBudget {
  const range = count === undefined ? undefined : { first: 1_000, last: 999 + count, count }
  return new PortBudget({ share, readRange: () => range })
}

function taken(from: PortLease | TransportError): PortLease {
  if (from instanceof TransportError) throw from
  return from
}

describe('the budget of local ports', () => {
  it('refuses what is beyond the share by name, and takes again when one is free', () => {
    const ports = budget(0.5, 5)
    const leases = [taken(ports.take(PAIR, 0)), taken(ports.take(PAIR, 0))]
    expect(ports.take(PAIR, 0)).toMatchObject({
      code: 'MM_PORTS_EXHAUSTED',
      fault: 'local',
      message:
        'the local TCP ports from 192.0.2.7 to 198.51.100.1:443 are used up: 2 connections are open, of 5 ports (limits.maxPortShare = 0.5)',
    })
    leases[0]?.release()
    leases[0]?.release()
    taken(ports.take(PAIR, 0))
    expect(ports.take(PAIR, 0)).toBeInstanceOf(TransportError)
    expect(ports.figures(0)).toEqual({ budget: 2, pairs: [{ ...PAIR, inUse: 2 }], refused: 2 })
  })

  it('counts each pair by itself', () => {
    const ports = budget(1, 1)
    taken(ports.take(PAIR, 0))
    taken(ports.take({ ...PAIR, local: '192.0.2.8' }, 0))
    taken(ports.take({ ...PAIR, remote: '198.51.100.2:443' }, 0))
    expect(ports.take(PAIR, 0)).toBeInstanceOf(TransportError)
  })

  it('has no bound where the share is 0 or nobody knows the range, and one connection in any case', () => {
    for (const ports of [budget(0, 1), budget(0.9, undefined)]) {
      for (let count = 0; count < 10; count += 1) taken(ports.take(PAIR, 0))
      expect(ports.figures(0)).toMatchObject({ budget: undefined, pairs: [{ inUse: 10 }] })
    }
    taken(budget(0.1, 3).take(PAIR, 0))
  })

  it('believes the kernel for a second that it has no port', () => {
    const ports = budget(0.9, 100)
    const lease = taken(ports.take(PAIR, 0))
    lease.onRefused(0)
    lease.release()
    expect(ports.take(PAIR, 999)).toMatchObject({
      message: expect.stringContaining('0 connections are open, and the kernel has no port for another one'),
    })
    taken(ports.take(PAIR, 1_000))
  })

  it('reads the range again after a while', () => {
    let count = 1
    const ports = new PortBudget({ share: 1, readRange: () => ({ first: 1, last: 1, count }) })
    taken(ports.take(PAIR, 0))
    count = 2
    expect(ports.take(PAIR, 9_999)).toBeInstanceOf(TransportError)
    taken(ports.take(PAIR, 10_000))
  })

  it('never counts below nothing or beyond its bound, whatever is taken and released', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.nat(2), fc.boolean(), fc.nat(9)), { maxLength: 80 }),
        (bound, steps) => {
          const ports = budget(1, bound)
          const held: PortLease[] = []
          for (const [local, takes, index] of steps) {
            const lease = takes ? ports.take({ ...PAIR, local: String(local) }, 0) : undefined
            if (lease === undefined) held.splice(index % Math.max(1, held.length), 1)[0]?.release()
            else if (!(lease instanceof TransportError)) held.push(lease)
            const { pairs } = ports.figures(0)
            expect(pairs.reduce((sum, { inUse }) => sum + inUse, 0)).toBe(held.length)
            expect(pairs.every(({ inUse }) => inUse >= 1 && inUse <= bound)).toBe(true)
          }
        },
      ),
    )
  })
})
