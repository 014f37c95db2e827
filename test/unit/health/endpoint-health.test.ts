import { describe, expect, it } from 'vitest'
import { DEFAULT_OUTLIER_OPTIONS } from '../../../src/base/options/health-options.ts'
import { EndpointHealth } from '../../../src/health/endpoint-health.ts'

function healthOf(keys: readonly string[], options = {}): EndpointHealth {
  const health = new EndpointHealth({ ...DEFAULT_OUTLIER_OPTIONS, ...options }, () => 0, 0)
  health.setEndpoints(keys)
  return health
}

describe('EndpointHealth', () => {
  it('gives an endpoint that checks found unhealthy no requests until they find it healthy', () => {
    const health = healthOf(['a', 'b', 'c'])
    expect(health.onChecked('a', false)).toEqual([])
    expect(health.mayTake('a', 0)).toBe(false)
    expect(health.standingOf('a', 0)).toBe('unhealthy')
    health.onChecked('a', true)
    expect(health.mayTake('a', 0)).toBe(true)
  })

  it('ignores health below the panic threshold, and says so once', () => {
    const health = healthOf(['a', 'b', 'c', 'd'])
    expect([health.onChecked('a', false), health.onChecked('b', false)].flat()).toEqual([])
    expect(health.onChecked('c', false)).toEqual([
      { type: 'panic', isOn: true, because: '1 of 4 endpoints are healthy' },
    ])
    expect(health.mayTake('a', 0)).toBe(true)
    expect(health.onChecked('a', true)).toEqual([
      { type: 'panic', isOn: false, because: '2 of 4 endpoints are healthy' },
    ])
    expect(health.mayTake('b', 0)).toBe(false)
  })

  it('lets all take requests when none is healthy, even without a panic threshold', () => {
    const health = healthOf(['a', 'b'], { panicShare: 0 })
    health.onChecked('a', false)
    expect(health.mayTake('a', 0)).toBe(false)
    health.onChecked('b', false)
    expect(health.mayTake('a', 0)).toBe(true)
  })

  it('does not send a probe request to an endpoint that checks find unhealthy', () => {
    const health = healthOf(['a', 'b', 'c'])
    for (let i = 0; i < 5; i++) health.onOutcome('a', 'unreachable', undefined, 0)
    expect(health.standingOf('a', 0)).toBe('ejected')
    expect(health.probeDue(60_000)).toBe('a')
    expect(health.standingOf('a', 60_000)).toBe('probing')
    health.onChecked('a', false)
    expect(health.probeDue(60_000)).toBeUndefined()
  })

  it('knows nothing any more of an endpoint that is gone', () => {
    const health = healthOf(['a', 'b', 'c'])
    health.onChecked('a', false)
    health.setEndpoints(['b', 'c'])
    health.setEndpoints(['a', 'b', 'c'])
    expect(health.mayTake('a', 0)).toBe(true)
    expect(health.healthy).toBe(3)
  })
})
