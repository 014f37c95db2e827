import { describe, expect, it } from 'vitest'
import { DEFAULT_BREAKER_OPTIONS } from '../../../src/base/options/health-options.ts'
import { Breakers, endpointBreakers, originBreakers } from '../../../src/health/breakers.ts'

describe('Breakers', () => {
  it('refuses what is above the bound, and counts it', () => {
    const breakers = new Breakers({ connections: 0, waiting: 0, requests: 2, retries: 0 })
    expect([1, 2, 3].map(() => breakers.take('requests'))).toEqual([true, true, false])
    expect(breakers.figures().requests).toEqual({ limit: 2, used: 2, refused: 1 })
    breakers.give('requests')
    expect(breakers.isOpen('requests')).toBe(false)
    expect(breakers.take('requests')).toBe(true)
  })

  it('bounds nothing where the limit is 0', () => {
    const breakers = new Breakers(originBreakers(DEFAULT_BREAKER_OPTIONS))
    for (let i = 0; i < 1_000; i++) expect(breakers.take('retries')).toBe(true)
    expect(Breakers.bound(originBreakers(DEFAULT_BREAKER_OPTIONS))).toBe(false)
  })

  it('finds out who gives back more than it took', () => {
    const breakers = new Breakers({ connections: 0, waiting: 1, requests: 0, retries: 0 })
    expect(() => breakers.give('waiting')).toThrow(/waiting/)
  })

  it('takes the bounds of the origin and those of an endpoint from the same options', () => {
    const options = { ...DEFAULT_BREAKER_OPTIONS, maxWaiting: 7, maxEndpointRetries: 3 }
    expect(originBreakers(options)).toEqual({ connections: 0, waiting: 7, requests: 0, retries: 0 })
    expect(endpointBreakers(options)).toEqual({ connections: 0, waiting: 0, requests: 0, retries: 3 })
    expect(Breakers.bound(endpointBreakers(options))).toBe(true)
  })
})
