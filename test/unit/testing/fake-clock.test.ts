import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

describe('FakeClock', () => {
  it('stands still until it is advanced', () => {
    const clock = new FakeClock(100)
    expect(clock.now()).toBe(100)
    clock.advance(25)
    expect(clock.now()).toBe(125)
    expect(() => clock.advance(-1)).toThrow(RangeError)
  })

  it('fires timers in order of their time, equal ones in order of creation, each at its own time', () => {
    const clock = new FakeClock()
    const fired: string[] = []
    const note = (name: string) => () => void fired.push(`${name}@${clock.now()}`)
    clock.setTimer(20, note('late'))
    clock.setTimer(10, note('a'))
    clock.setTimer(10, note('b'))
    clock.advance(9)
    expect(fired).toEqual([])
    clock.advance(11)
    expect(fired).toEqual(['a@10', 'b@10', 'late@20'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('fires timers that are set on the way when they are due by then, and never within setTimer', () => {
    const clock = new FakeClock()
    const fired: number[] = []
    clock.setTimer(5, () => {
      clock.setTimer(0, () => fired.push(clock.now()))
      expect(fired).toEqual([])
      clock.setTimer(100, () => fired.push(clock.now()))
    })
    clock.advance(50)
    expect(fired).toEqual([5])
    expect(clock.pendingTimers()).toBe(1)
    expect(clock.advanceToNextTimer()).toBe(true)
    expect(fired).toEqual([5, 105])
    expect(clock.advanceToNextTimer()).toBe(false)
  })

  it('forgets a cancelled timer', () => {
    const clock = new FakeClock()
    const timer = clock.setTimer(5, () => expect.unreachable())
    timer.cancel()
    timer.cancel()
    expect(clock.pendingTimers()).toBe(0)
    clock.advance(10)
  })
})
