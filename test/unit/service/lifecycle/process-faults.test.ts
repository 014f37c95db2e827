import { Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { reportFault } from '../../../../src/base/guard.ts'
import { DEFAULT_LOG } from '../../../../src/service/config/service-settings.ts'
import { endCulprit, FaultBudget, ProcessFaults } from '../../../../src/service/lifecycle/process-faults.ts'
import { createLogger } from '../../../../src/service/logging/service-log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

describe('a budget of faults', () => {
  it('is used up by so many within the window, and by no fewer', () => {
    const budget = new FaultBudget()
    const options = { maxFaults: 3, windowMs: 100 }
    expect([0, 50, 101, 150, 151].map(at => budget.spend(at, options))).toEqual([
      false,
      false,
      false,
      true,
      true,
    ])
  })

  it('of one is used up by the first, and of none never', () => {
    expect(new FaultBudget().spend(5, { maxFaults: 1, windowMs: 0 })).toBe(true)
    const none = { maxFaults: 0, windowMs: 100 }
    const budget = new FaultBudget()
    expect(Array.from({ length: 100 }, () => budget.spend(0, none))).not.toContain(true)
  })
})

describe('the culprit of a fault', () => {
  it('is the socket that owns the resource of the callback, and is ended', () => {
    const socket = new Socket()
    expect(endCulprit({ [Symbol('owner_symbol')]: socket })).toBe('a connection')
    expect(socket.destroyed).toBe(true)
  })

  it.each([{}, { [Symbol('owner_symbol')]: { destroy() {} } }, { [Symbol('owner_symbol')]: undefined }])(
    'is not found by %j',
    resource => {
      expect(endCulprit(resource)).toBeUndefined()
    },
  )
})

const opened: ProcessFaults[] = []
afterEach(() => {
  for (const faults of opened.splice(0)) faults.close()
  vi.restoreAllMocks()
})

function setUp(maxFaults = 3) {
  const lines: string[] = []
  const counts: string[] = []
  const ends: string[] = []
  const clock = new FakeClock(0)
  const before = process.listeners('uncaughtException')
  const faults = new ProcessFaults({
    logger: createLogger(DEFAULT_LOG, {
      write: line => void lines.push(line.trimEnd().replace(/^\S+ /, '')),
    }),
    clock,
    budget: () => ({ maxFaults, windowMs: 60_000 }),
    count: (kind, cause) => void counts.push(`${kind} ${cause}`),
    onTooMany: () => void ends.push('given up'),
  })
  opened.push(faults)
  const [handler] = process.listeners('uncaughtException').filter(listener => !before.includes(listener))
  const raise = (error: Error): void => handler?.(error, 'uncaughtException')
  return { lines, counts, ends, clock, raise, faults, before }
}

const noDescriptor = Object.assign(new Error('uv_interface_addresses'), { code: 'ERR_SYSTEM_ERROR' })

describe('the last resort for a fault', () => {
  it('logs and counts faults that a guard contained, and those that nobody caught', () => {
    const { lines, counts, ends, raise } = setUp()
    reportFault('reading the addresses of this machine', noDescriptor)
    raise(new TypeError('no such thing'))
    expect(counts).toEqual(['contained system', 'uncaught defect'])
    expect(lines).toEqual([
      'error reading the addresses of this machine failed, and is tried again when it is due: Error: uv_interface_addresses',
      'error an error that nobody caught; nothing was ended for it: TypeError: no such thing',
    ])
    expect(ends).toEqual([])
  })

  it('logs a fault that repeats once a minute, with its count', () => {
    const { lines, clock } = setUp()
    for (let i = 0; i < 25; i++) {
      reportFault('a timer', noDescriptor)
      clock.advance(5_000)
    }
    expect(lines.map(line => /(\d+) times more/.exec(line)?.[1])).toEqual([undefined, '11', '11'])
  })

  it('ends the process after so many defects within the window, once, and counts no system errors for that', () => {
    const { lines, ends, raise, clock } = setUp()
    for (let i = 0; i < 100; i++) raise(noDescriptor)
    for (let i = 0; i < 10; i++) {
      raise(new Error(`defect ${i}`))
      clock.advance(30_001)
    }
    expect(ends).toEqual([])
    for (let i = 0; i < 3; i++) raise(new Error('defect'))
    expect(ends).toEqual(['given up'])
    expect(lines.filter(line => line.includes('drains and ends'))).toHaveLength(1)
  })

  it('leaves the process as it was when the service is closed', () => {
    const { faults, before } = setUp()
    faults.close()
    expect(process.listeners('uncaughtException')).toEqual(before)
  })
})

it('the last resort does not end the process by a defect of its own', () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const noRoom = () => {
    throw new Error('no room for a log line') // each text is warned of once in a process
  }
  const before = process.listeners('uncaughtException')
  const faults = new ProcessFaults({
    logger: createLogger(DEFAULT_LOG, { write: noRoom }),
    clock: new FakeClock(0),
    budget: () => ({ maxFaults: 3, windowMs: 60_000 }),
    count: () => {},
    onTooMany: () => {},
  })
  opened.push(faults)
  const [handler] = process.listeners('uncaughtException').filter(listener => !before.includes(listener))
  expect(() => handler?.(new Error('nobody caught it'), 'uncaughtException')).not.toThrow()
  expect(warnings).toHaveBeenCalled()
})
