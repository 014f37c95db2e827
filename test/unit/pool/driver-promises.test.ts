import { beforeEach, describe, expect, it } from 'vitest'
import { DrainWaiters } from '../../../src/pool/driver-promises.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'

describe('DrainWaiters', () => {
  let isEmpty: boolean
  let isBroken: boolean
  let later: (() => void)[]
  let drainWaiters: DrainWaiters
  beforeEach(() => {
    isEmpty = false
    isBroken = false
    later = []
    drainWaiters = new DrainWaiters(
      () => (isBroken ? fail() : isEmpty),
      settle => void later.push(settle),
    )
  })
  /** What runs now is over. */
  const rest = async (): Promise<void> => {
    for (const settle of later.splice(0)) settle()
    await Promise.resolve()
  }
  const waiter = (): { isOver: boolean } => {
    const state = { isOver: false }
    void drainWaiters.wait().then(() => (state.isOver = true))
    return state
  }

  it('resolves at once when nothing is left', async () => {
    isEmpty = true
    await drainWaiters.wait()
  })

  it('resolves once running work is over, if nothing has come back by then', async () => {
    const first = waiter()
    isEmpty = true
    drainWaiters.onChange()
    isEmpty = false // an exchange comes back to be sent again
    await rest()
    expect(first.isOver).toBe(false)
    isEmpty = true
    drainWaiters.onChange()
    await rest()
    expect(first.isOver).toBe(true)
  })

  it('is waited for anew by a caller that asks after the pool has filled up again', async () => {
    const first = waiter()
    isEmpty = true
    drainWaiters.onChange()
    await rest()
    isEmpty = false
    const second = waiter()
    await rest()
    expect([first.isOver, second.isOver]).toEqual([true, false])
    isEmpty = true
    drainWaiters.onChange()
    await rest()
    expect(second.isOver).toBe(true)
  })

  it('schedules no check when nobody waits', () => {
    isEmpty = true
    drainWaiters.onChange()
    expect(later).toEqual([])
  })

  it('rejects when it cannot be reported, so that the wait ends', async () => {
    const heard = collectFaults()
    const waiting = drainWaiters.wait()
    isEmpty = true
    drainWaiters.onChange()
    const [settle] = later
    isBroken = true
    expect(settle).not.toThrow()
    await expect(waiting).rejects.toMatchObject({ code: 'MM_INTERNAL', cause: DEFECT })
    expect(heard()).toEqual([`the end of a pool: ${String(DEFECT)}`])
  })
})
