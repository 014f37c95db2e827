import { describe, expect, it } from 'vitest'
import { healthOf } from '../../support/endpoint-health.ts'

const GOOD = { isGood: true, because: '200' }
const BAD = { isGood: false, because: '503' }

describe('the health of endpoints', () => {
  it('follows the checks, and reports each change with its reason', () => {
    const health = healthOf(2)
    health.onChecked(0, BAD, 7)
    expect(health.isHealthy(0)).toBe(false)
    health.onChecked(0, GOOD, 8)
    health.onChecked(0, GOOD, 9)
    expect(health.isHealthy(0)).toBe(true)
    expect(health.healthySince(0)).toBe(9)
    expect(health.changes).toEqual([
      { index: 0, standing: 'unhealthy', because: 'its check: 503' },
      { index: 0, standing: 'healthy', because: 'its check: 200' },
    ])
  })

  it('lets an ejected endpoint back by its requests, not by its checks', () => {
    const health = healthOf(2)
    for (let i = 0; i < 5; i += 1) health.onOutcome(0, 'unreachable', undefined, 0)
    health.onChecked(0, BAD, 1)
    expect(health.figures(0)).toMatchObject({ health: 'unhealthy', healthBecause: '503' })
    for (let i = 0; i < 2; i += 1) health.onChecked(0, GOOD, 2)
    expect(health.figures(0)).toMatchObject({ health: 'ejected', healthBecause: '5 gateway errors in a row' })
    expect(health.changes.map(({ standing }) => standing)).toEqual(['ejected', 'unhealthy'])
    health.onProbeSent(0, 30_000)
    health.onOutcome(0, 'success', 1, 30_001)
    expect(health.changes.at(-1)).toEqual({
      index: 0,
      standing: 'healthy',
      because: 'its probe request succeeded',
    })
  })

  it('counts ejections by their reasons, and checks', () => {
    const health = healthOf(2)
    for (let i = 0; i < 5; i += 1) health.onOutcome(0, 'unreachable', undefined, 0)
    health.onProbeSent(0, 30_000)
    health.onOutcome(0, 'gateway-error', 1, 30_001)
    health.onChecked(0, GOOD, 1)
    expect(health.figures(0)).toMatchObject({
      ejections: { 'consecutive-gateway-errors': 1, 'probe-failed': 1 },
      checks: { made: 1, failed: 0, last: '200' },
    })
    expect(health.figures(1)).toEqual({
      health: 'healthy',
      healthBecause: undefined,
      ejections: {},
      checks: undefined,
    })
  })

  it('has a new version after every change', () => {
    const health = healthOf(2)
    const before = health.version
    health.onChecked(0, GOOD, 0)
    expect(health.version).toBe(before)
    for (let i = 0; i < 3; i += 1) health.onChecked(0, BAD, 0)
    expect(health.version).not.toBe(before)
  })
})
