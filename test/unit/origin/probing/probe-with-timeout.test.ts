import { describe, expect, it } from 'vitest'
import { probeWithTimeout } from '../../../../src/origin/probing/probe-with-timeout.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

const never = new AbortController().signal

describe('a probe with a timeout', () => {
  it('rejects when its result for the timeout cannot be made', async () => {
    const heard = collectFaults()
    const clock = new FakeClock()
    let cleanUps = 0
    const look = probeWithTimeout(
      { clock, timeoutMs: 100, onTimeout: fail },
      never,
      () => () => void cleanUps++,
    )
    clock.advance(100)
    await expect(look).rejects.toMatchObject({ code: 'MM_INTERNAL', cause: DEFECT })
    expect([heard(), cleanUps, clock.pendingTimers()]).toEqual([
      [`the end of a probe: ${String(DEFECT)}`],
      1,
      0,
    ])
  })

  it.each(['time', 'abort', 'answer'] as const)('ends when it cannot be cleaned up (%s)', async how => {
    const heard = collectFaults()
    const clock = new FakeClock()
    const controller = new AbortController()
    const look = probeWithTimeout(
      { clock, timeoutMs: 100, onTimeout: () => 'late' },
      controller.signal,
      answer => {
        if (how === 'answer') answer('early')
        return fail
      },
    )
    if (how === 'time') clock.advance(100)
    if (how === 'abort') controller.abort()
    const outcome = await look.catch((error: { code: string }) => error.code)
    expect(outcome).toBe({ time: 'late', abort: 'MM_ABORTED', answer: 'early' }[how])
    expect(heard()).toEqual([`the end of a probe: ${String(DEFECT)}`])
  })
})
