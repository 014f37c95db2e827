import { describe, expect, it } from 'vitest'
import { NEVER } from '../../../src/base/clock.ts'
import { RateWatch } from '../../../src/ingress/rate-watch.ts'

/** 1,000 bytes a second, so that a byte is a millisecond, with 5 s of grace. */
const newWatch = (): RateWatch => new RateWatch(1_000, 5_000)

describe('a least rate', () => {
  it('leaves time for as long as the grace, and for what waits at that rate', () => {
    const watch = newWatch()
    expect(watch.deadlineMs).toBe(NEVER)
    watch.begin(100)
    expect(watch.deadlineMs).toBe(5_100)
    watch.begin(200)
    expect(watch.deadlineMs).toBe(5_100)
    const other = newWatch()
    other.begin(0, 64_000)
    expect(other.deadlineMs).toBe(69_000)
  })

  it('is met by who is just as fast, however long it takes', () => {
    const watch = newWatch()
    watch.begin(0)
    for (let now = 1_000; now < 600_000; now += 1_000) {
      expect(watch.deadlineMs).toBeGreaterThan(now)
      watch.add(1_000, now)
    }
    expect(watch.deadlineMs).toBe(599_000 + 5_000)
  })

  it('is missed by who is half as fast when the grace is used up, whatever came at first', () => {
    const watch = newWatch()
    watch.begin(0)
    watch.add(50_000, 10)
    let now = 10
    while (now < watch.deadlineMs) {
      now += 100
      watch.add(50, now)
    }
    // Each second costs half a second of the grace, and a large piece pays only for the pause behind it.
    expect(now).toBeGreaterThan(9_000)
    expect(now).toBeLessThan(11_000)
  })

  it('leaves who answers seldom and with much the time that this would take', () => {
    const watch = newWatch()
    watch.begin(0)
    for (let now = 4_000; now < 1_000_000; now += 60_000) {
      expect(watch.deadlineMs).toBeGreaterThan(now)
      watch.add(60_000, now)
    }
  })

  it('gives what waits from the beginning its time once', () => {
    const watch = newWatch()
    watch.begin(0, 10_000)
    watch.add(10_000, 1_000)
    expect(watch.deadlineMs).toBe(6_000)
  })

  it('runs only while the client is waited for, and keeps what was used of the grace', () => {
    const watch = newWatch()
    watch.begin(0)
    watch.pause(4_000)
    expect(watch.deadlineMs).toBe(NEVER)
    watch.add(1, 5_000)
    watch.begin(100_000)
    expect(watch.deadlineMs).toBe(101_000)
    watch.add(500, 100_000)
    watch.pause(100_000)
    watch.begin(200_000)
    expect(watch.deadlineMs).toBe(201_500)
    watch.pause(300_000)
    watch.begin(300_000)
    expect(watch.deadlineMs).toBe(300_000)
    watch.reset()
    watch.begin(300_000)
    expect(watch.deadlineMs).toBe(305_000)
  })
})
