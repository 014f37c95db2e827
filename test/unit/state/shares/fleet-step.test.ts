import { describe, expect, it } from 'vitest'
import { claimStep, fleetAnswer, planShare, reportStep } from '../../../../src/state/shares/fleet-step.ts'
import type { ShareRequest } from '../../../../src/state/shares/share-messages.ts'
import { FleetStore } from '../../../support/fleet-store.ts'

const LEASE_MS = 10_000
const TIMING = { leaseMs: LEASE_MS, turnMs: 5_000 }
const CEILING = 20

/** A store that has known its hosts for long, and a host that asks it. */
function fleet(store = new FleetStore(LEASE_MS)) {
  let number = 0
  const ask = (
    member: string,
    wants: number,
    keeps = 0,
    now = LEASE_MS,
    more: Partial<ShareRequest> = {},
  ): number => {
    const request = { of: 'o', member, number: ++number, ceiling: CEILING, keeps, wants, ...more }
    const view = store.step(reportStep(request), now)
    const planned = planShare(request, view, TIMING)
    if (planned <= keeps) return planned
    return store.step(claimStep(request, planned), now).hosts.get(member)?.granted ?? 0
  }
  store.step(
    reportStep({ of: 'o', member: 'x', number: 0, ceiling: CEILING, keeps: 0, wants: 0, leaves: true }),
    0,
  )
  return { store, ask }
}

describe('the share of a host in a ceiling', () => {
  it('is what it wants and half of what no host wants, so that a newcomer need not wait', () => {
    const { ask } = fleet()
    expect(ask('a', 4)).toBe(12)
    expect(ask('b', 6)).toBe(8)
  })

  it('is given back before another one has it', () => {
    const { ask, store } = fleet()
    expect(ask('a', 99)).toBe(20)
    expect(ask('b', 99)).toBe(0)
    expect(ask('a', 99, 20)).toBe(10)
    expect(ask('b', 99)).toBe(0)
    expect(ask('a', 99, 10)).toBe(10)
    expect(ask('b', 99)).toBe(10)
    expect([...store.hosts.values()].map(({ granted }) => granted)).toEqual([10, 10])
  })

  it('is free when its lease is over', () => {
    const { ask } = fleet()
    ask('a', 99)
    expect(ask('b', 99, 0, 2 * LEASE_MS - 1)).toBe(0)
    expect(ask('b', 99, 0, 2 * LEASE_MS)).toBe(20)
  })

  it('stays as it is, and no less than the floor, while hosts of an earlier run may come back', () => {
    const { ask, store } = fleet()
    ask('a', 12)
    store.restart()
    expect(ask('b', 9, 0, 11_000, { floor: 2 })).toBe(2)
    expect(ask('a', 12, 16, 12_000, { floor: 2 })).toBe(16)
    expect(ask('c', 9, 0, 12_000, { floor: 3 })).toBe(2) // of what is free
    expect(ask('c', 9, 2, 20_999, { floor: 3 })).toBe(2)
    expect(ask('b', 9, 2, 20_999)).toBe(2)
    expect(ask('a', 12, 16, 21_000)).toBe(7) // c wants 9 as well
  })

  it('rotates, by the clock of the store, where there is less than one for each', () => {
    const { ask } = fleet()
    const one = { ceiling: 1 }
    expect(ask('a', 1, 0, 10_000, one)).toBe(1)
    expect(ask('b', 1, 0, 10_000, one)).toBe(0)
    expect(ask('a', 1, 1, 14_999, one)).toBe(1)
    expect(ask('a', 1, 1, 15_000, one)).toBe(0)
    expect(ask('a', 1, 0, 15_000, one)).toBe(0)
    expect(ask('b', 1, 0, 15_000, one)).toBe(1)
  })

  it('is zero for a host that leaves, whose answer names all others', () => {
    const { ask, store } = fleet()
    ask('a', 4)
    ask('b', 6)
    const request = { of: 'o', member: 'a', number: 99, ceiling: CEILING, keeps: 0, wants: 0, leaves: true }
    const view = store.step(reportStep(request), LEASE_MS)
    expect(planShare(request, view, TIMING)).toBe(0)
    expect(fleetAnswer(request, view, 0)).toEqual({
      number: 99,
      share: 0,
      limit: CEILING,
      members: 1,
      wanted: 6,
      granted: 8,
    })
  })
})
