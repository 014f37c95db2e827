import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import {
  type ContainedFault,
  containFault,
  guarded,
  guardedImmediate,
  guardedListener,
  guardedMicrotask,
  guardedPromise,
  guardedTick,
  isSystemError,
  onContainedFault,
  reportFault,
} from '../../../src/base/guard.ts'

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
  it('returns what was made, or reports what was thrown', () => {
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

  it('warns once for each text where nobody listens', () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const stackless = Object.assign(new Error('EMFILE'), { stack: undefined })
    reportFault('reading', stackless)
    reportFault('reading', stackless)
    expect(warnings.mock.calls).toEqual([['reading: EMFILE', 'MiddlemileFault']])
  })

  it('survives a listener that throws, and notifies the others', () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    stops.push(onContainedFault(fail))
    const faults = listen()
    reportFault('reading', defect)
    expect(faults).toHaveLength(1)
    expect(warnings).toHaveBeenCalledOnce()
  })
})

describe('an event', () => {
  it('that fails ends what it was for, with an error that says so', () => {
    const faults = listen()
    const ended: unknown[] = []
    const seen: unknown[] = []
    const listener = guardedListener(
      'an event',
      (first: number, second: string) => (seen.push(first, second) > 2 ? fail() : undefined),
      error => void ended.push(error),
    )
    listener(1, 'a')
    expect([seen, ended, faults]).toEqual([[1, 'a'], [], []])
    listener(2, 'b')
    expect(ended).toMatchObject([
      { code: 'MM_INTERNAL', message: 'an event failed: no such thing', cause: defect, processed: 'unknown' },
    ])
    expect(faults).toEqual([{ during: 'an event', error: defect }])
  })

  it('whose end fails as well is reported twice, and the failure goes no further', () => {
    const faults = listen()
    containFault('an event', defect, fail)
    expect(faults.map(({ during }) => during)).toEqual(['an event', 'an event, and its end'])
  })

  it('of a promise that nobody waits for is reported', async () => {
    const faults = listen()
    guardedPromise('a promise', Promise.reject(defect))
    await expect.poll(() => faults).toEqual([{ during: 'a promise', error: defect }])
  })
})

describe('a system error', () => {
  it.each([
    [true, Object.assign(new Error('open'), { code: 'EMFILE', syscall: 'open' })],
    [true, Object.assign(new Error('uv_interface_addresses'), { code: 'ERR_SYSTEM_ERROR' })],
    [false, Object.assign(new Error('bad argument'), { code: 'ERR_INVALID_ARG_TYPE' })],
    [false, defect],
    [false, 'EMFILE'],
  ])('is recognized: %s for %s', (isSystem, error) => {
    expect(isSystemError(error)).toBe(isSystem)
  })
})

describe('a deferred function that throws', () => {
  it.each([
    ['a microtask', guardedMicrotask],
    ['a tick', guardedTick],
    ['a turn', guardedImmediate],
  ] as const)('as %s cannot end the process', async (name, later) => {
    const faults = listen()
    const done: string[] = []
    later(name, fail)
    later(name, () => void done.push(name))
    expect(done).toEqual([])
    await expect.poll(() => done).toEqual([name])
    expect(faults).toEqual([{ during: name, error: defect }])
  })
})
