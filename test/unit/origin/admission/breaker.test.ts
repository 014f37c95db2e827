import { describe, expect, it } from 'vitest'
import { Breaker } from '../../../../src/origin/admission/breaker.ts'

describe('Breaker', () => {
  it('turns away what is above the bound, counts it, and takes again what was given back', () => {
    const breaker = new Breaker(2)
    expect([1, 2, 3].map(() => breaker.take())).toEqual([true, true, false])
    expect(breaker.figures()).toEqual({ limit: 2, used: 2, refused: 1 })
    breaker.give()
    expect(breaker.take()).toBe(true)
  })

  it('detects who gives back more than it took', () => {
    expect(() => new Breaker(1).give()).toThrow(/more/)
  })
})
