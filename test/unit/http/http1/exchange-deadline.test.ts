import { describe, expect, it } from 'vitest'
import { ExchangeDeadline } from '../../../../src/http/http1/exchange-deadline.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

function setUp(): { clock: FakeClock; deadline: ExchangeDeadline; passed: number[] } {
  const clock = new FakeClock()
  const passed: number[] = []
  const deadline = new ExchangeDeadline(clock, () => void passed.push(clock.now()))
  return { clock, deadline, passed }
}

describe('ExchangeDeadline', () => {
  it('passes once, at its time', () => {
    const { clock, deadline, passed } = setUp()
    deadline.set(100)
    clock.advance(1000)
    expect(passed).toEqual([100])
  })

  it('passes at the last time that was set, later or earlier than the one before', () => {
    const { clock, deadline, passed } = setUp()
    deadline.set(100)
    clock.advance(50)
    deadline.set(100)
    clock.advance(99)
    expect(passed).toEqual([])
    deadline.set(10)
    clock.advance(1000)
    expect(passed).toEqual([159])
  })

  it('does not pass once cleared, or set to none', () => {
    const { clock, deadline, passed } = setUp()
    deadline.set(100)
    deadline.clear()
    clock.advance(1000)
    deadline.set(100)
    deadline.set(0)
    clock.advance(1000)
    expect(passed).toEqual([])
    deadline.set(100)
    clock.advance(100)
    expect(passed).toEqual([2100])
  })

  it('uses one timer however often it is moved', () => {
    const { clock, deadline } = setUp()
    let timers = 0
    const setTimer = clock.setTimer.bind(clock)
    clock.setTimer = (delayMs, callback) => {
      timers++
      return setTimer(delayMs, callback)
    }
    for (let i = 0; i < 1000; i++) {
      deadline.set(5000)
      clock.advance(1)
      deadline.clear()
    }
    expect(timers).toBe(1)
  })

  it('leaves no timer when it is disposed of', () => {
    const { clock, deadline, passed } = setUp()
    deadline.set(100)
    deadline.dispose()
    expect(clock.pendingTimers()).toBe(0)
    clock.advance(1000)
    expect(passed).toEqual([])
  })
})
