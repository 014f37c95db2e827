import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EgressRotation } from '../../../../src/origin/egress/egress-rotation.ts'

const half = (): number => 0.5

describe('a rotation of proxies or addresses', () => {
  it('begins at random, stays for the window and goes on to the next proxy', () => {
    const rotation = new EgressRotation({ count: 3, stickyMs: 1_000 })
    expect(rotation.order(0, half)).toEqual([1, 2, 0])
    expect(rotation.order(999, half)).toEqual([1, 2, 0])
    expect(rotation.order(1_000, half)).toEqual([2, 0, 1])
    expect(rotation.current(1_200)).toEqual({ index: 2, leftMs: 800 })
  })

  it('jitters its window by a quarter at the most', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), value => {
        const rotation = new EgressRotation({ count: 2, stickyMs: 1_000 })
        rotation.order(0, () => value)
        const { leftMs = 0 } = rotation.current(0) ?? {}
        expect(leftMs).toBeGreaterThanOrEqual(750)
        expect(leftMs).toBeLessThanOrEqual(1_250)
      }),
    )
  })

  it('never moves on where the window is 0, until it fails', () => {
    const rotation = new EgressRotation({ count: 2, stickyMs: 0 })
    const first = rotation.order(0, half)
    expect(rotation.order(1e12, half)).toEqual(first)
    rotation.onFailed(1, 1e12, half)
    expect(rotation.order(1e12, half)).toEqual([0, 1])
  })

  it('avoids one that failed for twice as long each time, up to a minute, until it succeeds', () => {
    const rotation = new EgressRotation({ count: 2, stickyMs: 0 })
    const delays = Array.from({ length: 8 }, () => {
      rotation.onFailed(0, 0, half)
      return rotation.backoff(0, 0)?.leftMs
    })
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    rotation.onConnected(0, 0, half)
    expect(rotation.backoff(0, 0)).toBeUndefined()
  })

  it('goes on with the proxy that replaced another', () => {
    const rotation = new EgressRotation({ count: 3, stickyMs: 1_000 })
    rotation.order(0, half)
    rotation.onFailed(1, 0, half)
    rotation.onConnected(2, 0, half)
    expect(rotation.order(900, half)[0]).toBe(2)
  })

  it('always names each proxy once, whatever failed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.tuple(fc.nat(5), fc.nat(5_000), fc.boolean()), { maxLength: 50 }),
        (count, events) => {
          const rotation = new EgressRotation({ count, stickyMs: 500 })
          let now = 0
          for (const [proxy, ms, fails] of events) {
            now += ms
            if (fails) rotation.onFailed(proxy % count, now, half)
            else rotation.onConnected(proxy % count, now, half)
            expect(rotation.order(now, half).toSorted((a, b) => a - b)).toEqual(
              Array.from({ length: count }, (_, i) => i),
            )
          }
        },
      ),
    )
  })
})
