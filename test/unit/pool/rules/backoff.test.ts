import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { Backoff, backoffDelayMs } from '../../../../src/pool/rules/backoff.ts'

const ERROR = new TransportError('MM_CONNECT_REFUSED', 'x')

describe('the delay after failures', () => {
  it('doubles up to the maximum', () => {
    const delays = [1, 2, 3, 4, 50].map(failures => backoffDelayMs(failures, 100, 1000, () => 1))
    expect(delays).toEqual([100, 200, 400, 800, 1000])
  })

  it('is drawn from the upper half', () => {
    expect(backoffDelayMs(2, 100, 1000, () => 0)).toBe(100)
    expect(backoffDelayMs(2, 100, 1000, () => 0.5)).toBe(150)
  })
})

describe('backoff', () => {
  const make = () => new Backoff(100, 1000, () => 1)

  it('grows from round to round', () => {
    const backoff = make()
    expect(backoff.isActive(0)).toBe(false)
    backoff.onConnectFailed(backoff.round, ERROR, 0)
    expect([backoff.isActive(99), backoff.isActive(100), backoff.isFailing]).toEqual([true, false, true])
    backoff.onConnectFailed(backoff.round, ERROR, 100)
    expect(backoff.dueAt).toBe(300)
  })

  it('lets a connect that a request waits for begin after the first step, however many have failed', () => {
    const backoff = make()
    expect(backoff.requestDueAt).toBe(-Infinity)
    for (let now = 0; now < 5_000; now += 1_000) backoff.onConnectFailed(backoff.round, ERROR, now)
    expect([backoff.requestDueAt, backoff.dueAt]).toEqual([4_100, 5_000])
    backoff.onConnected()
    expect(backoff.requestDueAt).toBe(-Infinity)
  })

  it('counts failures of one round as one failure', () => {
    const backoff = make()
    const { round } = backoff
    for (let i = 0; i < 5; i += 1) backoff.onConnectFailed(round, ERROR, i)
    expect(backoff.dueAt).toBe(100)
  })

  it('ends with a success', () => {
    const backoff = make()
    backoff.onConnectFailed(0, ERROR, 0)
    backoff.onConnected()
    expect([backoff.isActive(0), backoff.isFailing]).toEqual([false, false])
    backoff.onConnectFailed(backoff.round, ERROR, 0)
    expect(backoff.dueAt).toBe(100)
  })

  it('goes on growing while connections die unused, until one is put to use', () => {
    const backoff = make()
    backoff.onClosedOnOpen(ERROR, 0, 0)
    backoff.onConnected()
    backoff.onClosedOnOpen(ERROR, 100, 100)
    expect(backoff.dueAt).toBe(300)
    backoff.onConnected()
    backoff.onFirstLease()
    backoff.onClosedOnOpen(ERROR, 300, 300)
    expect(backoff.dueAt).toBe(400)
  })

  it('counts those that die unused in one moment as one failure, and those of the next dials as another', () => {
    const backoff = make()
    for (const openedAt of [0, 5, 10]) backoff.onClosedOnOpen(ERROR, openedAt, 50)
    expect(backoff.dueAt).toBe(150)
    backoff.onClosedOnOpen(ERROR, 10, 60)
    expect(backoff.dueAt).toBe(150)
    for (const openedAt of [150, 151]) backoff.onClosedOnOpen(ERROR, openedAt, 152)
    expect(backoff.dueAt).toBe(352)
  })
})
