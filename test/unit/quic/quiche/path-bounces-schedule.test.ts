import { describe, expect, it } from 'vitest'
import { BounceSchedule } from '../../../../src/quic/quiche/path-bounces.ts'

const A = { host: '192.0.2.1', port: 1 }
const B = { host: '192.0.2.1', port: 2 }
const C = { host: '192.0.2.1', port: 3 }

/** When each bounce comes until `untilMs`, by a caller that is always on time. */
function timesUntil(schedule: BounceSchedule, untilMs: number, isWaiting = false): number[] {
  const times: number[] = []
  for (let at = schedule.nextAt(isWaiting); at <= untilMs; at = schedule.nextAt(isWaiting)) {
    expect(schedule.takeDue(at, isWaiting)).not.toEqual([])
    times.push(at)
  }
  return times
}

describe('the bounces of a path that was left', () => {
  it('come one, two, four and eight probe timeouts later, and then no more', () => {
    const schedule = new BounceSchedule()
    expect(schedule.nextAt(false)).toBe(Number.POSITIVE_INFINITY)
    schedule.onMoved(A, B, 100, 1000)
    expect(timesUntil(schedule, 100_000)).toEqual([1100, 1200, 1400, 1800])
    expect(schedule.nextAt(false)).toBe(Number.POSITIVE_INFINITY)
  })

  it('are not deferred by a turn that comes late, and not repeated for it', () => {
    const schedule = new BounceSchedule()
    schedule.onMoved(A, B, 100, 0)
    expect(schedule.takeDue(1000, false)).toEqual([A])
    expect(timesUntil(schedule, 1000)).toEqual([200, 400, 800])
  })

  it('go on in doubling intervals of 4 s at the most while an exchange waits, sixteen in all', () => {
    const schedule = new BounceSchedule()
    schedule.onMoved(A, B, 100, 0)
    const times = timesUntil(schedule, 1_000_000, true)
    expect(times.slice(0, 8)).toEqual([100, 200, 400, 800, 2400, 5600, 9600, 13_600])
    expect(times).toHaveLength(16)
  })

  it('end when nobody waits any more, and go on with the next exchange that does', () => {
    const schedule = new BounceSchedule()
    schedule.onMoved(A, B, 100, 0)
    timesUntil(schedule, 3000, true)
    expect(schedule.nextAt(true)).toBe(5600)
    expect(schedule.nextAt(false)).toBe(Number.POSITIVE_INFINITY)
    expect(schedule.takeDue(9000, true)).toEqual([A])
  })

  it('begin anew with each migration, for the paths of earlier ones too', () => {
    const schedule = new BounceSchedule()
    schedule.onMoved(A, B, 100, 0)
    expect(timesUntil(schedule, 5000)).toHaveLength(4)
    schedule.onMoved(B, C, 30, 6000)
    expect(schedule.nextAt(false)).toBe(6030)
    expect(schedule.takeDue(6030, false)).toEqual([A, B])
  })

  it('are not made for a path that is in use again', () => {
    const schedule = new BounceSchedule()
    schedule.onMoved(A, B, 100, 0)
    schedule.onMoved(B, A, 100, 10)
    expect(schedule.takeDue(1000, false)).toEqual([B])
  })
})
