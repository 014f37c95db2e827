import { describe, expect, it } from 'vitest'
import { NEVER } from '../../../../src/base/clock.ts'
import { RateWatch } from '../../../../src/ingress/rate-watch.ts'
import { SharedRate } from '../../../../src/ingress/streams/shared-rate.ts'

interface Stream {
  bytes: number
  isWaiting: boolean
}

function setUp() {
  const rate = new SharedRate<Stream>(new RateWatch(1_000, 5_000), stream => stream)
  const begin = (now: number, bytes = 0): Stream => {
    const stream = { bytes: 0, isWaiting: true }
    rate.begin(stream, now, { bytes })
    return stream
  }
  return { rate, begin }
}

describe('the least rate of a connection', () => {
  it('is that of all its streams together', () => {
    const { rate, begin } = setUp()
    const [stuck, busy] = [begin(0), begin(0)]
    for (let now = 1_000; now < 60_000; now += 1_000) {
      busy.bytes += 1_000
      expect(rate.check(now)).toEqual([])
    }
    expect(rate.check(70_000)).toEqual([stuck, busy])
  })

  it('runs from the first stream that waits to the last', () => {
    const { rate, begin } = setUp()
    const first = begin(0)
    const second = begin(2_000)
    rate.end(first, 3_000)
    expect(rate.deadlineMs).toBe(5_000)
    rate.end(second, 4_000)
    expect(rate.deadlineMs).toBe(NEVER)
    rate.end(second, 4_000)
    const third = begin(60_000)
    expect(rate.deadlineMs).toBe(61_000)
    rate.begin(third, 60_500)
    expect(rate.check(61_000)).toEqual([third])
  })

  it('blames no stream for another that ended unseen', () => {
    const { rate, begin } = setUp()
    const first = begin(0)
    Object.assign(first, { bytes: 10, isWaiting: false })
    const second = begin(4_990)
    expect(rate.deadlineMs).toBe(9_990)
    expect(rate.check(9_000)).toEqual([])
    expect(rate.check(9_990)).toEqual([second])
    Object.assign(second, { bytes: 10, isWaiting: false })
    expect(rate.check(20_000)).toEqual([])
    expect(rate.deadlineMs).toBe(NEVER)
  })

  it('begins anew with a stream that did not wait in between, though nobody said so', () => {
    const { rate, begin } = setUp()
    const stream = begin(0)
    stream.bytes = 10
    rate.begin(stream, 4_990)
    expect(rate.deadlineMs).toBe(5_000)
    rate.begin(stream, 4_990, { isAnew: true })
    expect(rate.deadlineMs).toBe(9_990)
  })

  it('leaves time for what waits below the streams', () => {
    const { rate, begin } = setUp()
    begin(0, 10_000)
    expect(rate.deadlineMs).toBe(15_000)
  })
})
