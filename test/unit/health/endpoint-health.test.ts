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

  it('follows another process that has ejected an endpoint, and found it back, without saying so again', () => {
    const news: unknown[] = []
    const health = healthOf(
      3,
      {},
      {
        onEjected: (...ejected) => news.push(ejected),
        onReadmitted: index => news.push(index),
      },
    )
    health.onEjectedElsewhere(0, 'another process: 503', 5_000, 10)
    expect(health.figures(0)).toMatchObject({
      health: 'ejected',
      healthBecause: 'another process: 503',
      ejections: { elsewhere: 1 },
    })
    expect([health.isProbeDue(0, 5_009), health.isProbeDue(0, 5_010)]).toEqual([false, true])
    health.onReadmittedElsewhere(0, 20)
    expect([health.isHealthy(0), health.healthySince(0)]).toEqual([true, 20])
    health.onReadmittedElsewhere(0, 21)
    expect(health.changes.map(({ standing }) => standing)).toEqual(['ejected', 'healthy'])
    expect(news).toEqual([])
    for (let i = 0; i < 5; i += 1) health.onOutcome(1, 'unreachable', undefined, 30)
    health.onProbeSent(1, 60_000)
    health.onOutcome(1, 'success', 1, 60_001)
    expect(news).toEqual([[1, '5 gateway errors in a row', 30_000], 1])
    health.assertConsistent()
  })

  it('does not follow another process beyond the share that may be out', () => {
    const health = healthOf(2, { maxEjectedShare: 0.5 })
    health.onEjectedElsewhere(0, 'x', 5_000, 0)
    health.onEjectedElsewhere(1, 'x', 5_000, 0)
    expect([health.isHealthy(0), health.isHealthy(1)]).toEqual([false, true])
    health.assertConsistent()
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
