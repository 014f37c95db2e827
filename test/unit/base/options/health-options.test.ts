import { describe, expect, it } from 'vitest'
import {
  checkHealthOptions,
  checkOutlierOptions,
  DEFAULT_HEALTH_OPTIONS,
  DEFAULT_OUTLIER_OPTIONS,
} from '../../../../src/base/options/health-options.ts'

describe('the options of health checks', () => {
  it('are valid by default', () => {
    expect(checkHealthOptions(DEFAULT_HEALTH_OPTIONS)).toBe(DEFAULT_HEALTH_OPTIONS)
    expect(checkHealthOptions({ ...DEFAULT_HEALTH_OPTIONS, host: '[::1]:80', path: '/a?b=c' }).host).toBe(
      '[::1]:80',
    )
  })

  it.each([
    ['check', 'icmp'],
    ['method', 'POST'],
    ['connections', 'both'],
    ['path', 'health'],
    ['path', '/with space'],
    ['path', 7],
    ['host', 'two hosts'],
    ['service', 'a/b'],
    ['statuses', []],
    ['statuses', [100]],
    ['statuses', 200],
    ['intervalMs', 9],
    ['jitter', 1.5],
    ['timeoutMs', 0],
    ['rise', 0],
    ['fall', Number.NaN],
  ])('are refused where %s is %o', (name, value) => {
    const options = { ...DEFAULT_HEALTH_OPTIONS, [name]: value }
    expect(() => checkHealthOptions(options as typeof DEFAULT_HEALTH_OPTIONS)).toThrow(`health.${name}`)
  })
})

describe('the options of outlier ejection', () => {
  it('are valid by default, and switched off by 0', () => {
    expect(checkOutlierOptions(DEFAULT_OUTLIER_OPTIONS)).toBe(DEFAULT_OUTLIER_OPTIONS)
    const off = {
      consecutiveFailures: 0,
      consecutiveGatewayErrors: 0,
      successRateFactor: 0,
      latencyFactor: 0,
    }
    expect(checkOutlierOptions({ ...DEFAULT_OUTLIER_OPTIONS, ...off })).toMatchObject(off)
  })

  it.each([
    ['consecutiveFailures', -1],
    ['latencyFactor', 0.5],
    ['minEndpoints', 1],
    ['ejectionMs', 0],
    ['maxEjectedShare', 1.1],
  ])('are refused where %s is %d', (name, value) => {
    expect(() => checkOutlierOptions({ ...DEFAULT_OUTLIER_OPTIONS, [name]: value })).toThrow(
      `outlier.${name}`,
    )
  })
})
