import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import {
  type ContainedFault,
  guarded,
  guardedImmediate,
  isSystemError,
  onContainedFault,
  reportFault,
} from '../../../src/guard.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
  vi.restoreAllMocks()
})

function listen(): ContainedFault[] {
  const faults: ContainedFault[] = []
  stops.push(onContainedFault(fault => void faults.push(fault)))
  return faults
}

const defect = new TypeError('no such thing')
const fail = (): never => {
  throw defect
}

describe('the guard', () => {
  it('answers with what was made, or reports what was thrown', () => {
    const faults = listen()
    expect(guarded('making', () => 7)).toBe(7)
    expect(guarded('making', fail)).toBeUndefined()
    expect(faults).toEqual([{ during: 'making', error: defect }])
  })

  it('holds for every timer of the system clock, and for immediates', async () => {
    const faults = listen()
    systemClock.setTimer(0, fail)
    guardedImmediate('a turn', fail)
    await expect.poll(() => faults.length).toBe(2)
    expect(faults.map(({ during }) => during).sort()).toEqual(['a timer', 'a turn'])
  })

  it('warns where nobody listens, once for each text', () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const stackless = Object.assign(new Error('EMFILE'), { stack: undefined })
    reportFault('reading', stackless)
    reportFault('reading', stackless)
    expect(warnings.mock.calls).toEqual([['reading: EMFILE', 'MiddlemileFault']])
  })

  it('survives a listener that throws, and tells the others', () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    stops.push(onContainedFault(fail))
    const faults = listen()
    reportFault('reading', defect)
    expect(faults).toHaveLength(1)
    expect(warnings).toHaveBeenCalledOnce()
  })
})

describe('a system error', () => {
  it.each([
    [true, Object.assign(new Error('open'), { code: 'EMFILE', syscall: 'open' })],
    [true, Object.assign(new Error('uv_interface_addresses'), { code: 'ERR_SYSTEM_ERROR' })],
    [false, Object.assign(new Error('bad argument'), { code: 'ERR_INVALID_ARG_TYPE' })],
    [false, defect],
    [false, 'EMFILE'],
  ])('%s for %s', (isSystem, error) => {
    expect(isSystemError(error)).toBe(isSystem)
  })
})
