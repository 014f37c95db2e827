import { describe, expect, it } from 'vitest'
import {
  checkBalanceOptions,
  checkEndpoints,
  DEFAULT_BALANCE_OPTIONS,
  type EndpointOptions,
  MAX_BALANCED_ENDPOINTS,
} from '../../../../src/base/options/balance-options.ts'

describe('the options of balancing', () => {
  it('are valid by default, and with every policy', () => {
    expect(checkBalanceOptions(DEFAULT_BALANCE_OPTIONS)).toBe(DEFAULT_BALANCE_OPTIONS)
    checkBalanceOptions({ ...DEFAULT_BALANCE_OPTIONS, policy: 'hash', hashBy: 'cookie:SESSION' })
  })

  it.each([
    [{ policy: 'sticky' as never }, 'balance.policy must be'],
    [{ hashBy: 'header:' }, 'balance.hashBy must be path'],
    [{ hashBy: 'query' }, 'balance.hashBy must be path'],
    [{ slowStartMs: -1 }, 'balance.slowStartMs'],
    [{ subsetSize: 1.5 }, 'balance.subsetSize must be a whole number'],
    [{ zones: [''] }, 'balance.zones must be a list of names'],
  ])('refuse %o by name', (wrong, message) => {
    expect(() => checkBalanceOptions({ ...DEFAULT_BALANCE_OPTIONS, ...wrong })).toThrow(message)
  })

  it('fill in what an endpoint leaves out', () => {
    expect(checkEndpoints(['192.0.2.1', { address: '192.0.2.2', tier: 1 }], 'random')).toEqual([
      { address: '192.0.2.1', weight: 1, tier: 0, zone: '' },
      { address: '192.0.2.2', weight: 1, tier: 1, zone: '' },
    ])
  })

  it.each<[string, EndpointOptions]>([
    ['the weight of endpoint', { address: '192.0.2.1', weight: 0 }],
    ['the weight of endpoint', { address: '192.0.2.1', weight: 1_001 }],
    ['the tier of endpoint', { address: '192.0.2.1', tier: -1 }],
    ['the zone of endpoint', { address: '192.0.2.1', zone: 7 as never }],
    ['each of endpoints must be an address', { weight: 1 } as never],
  ])('refuse %s: %o', (message, endpoint) => {
    expect(() => checkEndpoints([endpoint], 'random')).toThrow(message)
  })

  it('refuse weights that the policy ignores, an endpoint named twice, and lists that are too long', () => {
    expect(() => checkEndpoints([{ address: '192.0.2.1', weight: 2 }], 'in-order')).toThrow('balance.policy')
    expect(() => checkEndpoints(['192.0.2.1', '192.0.2.1'], 'random')).toThrow('twice')
    const many = Array.from({ length: MAX_BALANCED_ENDPOINTS + 1 }, (_, index) => `192.0.2.1:${index + 1}`)
    expect(() => checkEndpoints(many, 'random')).toThrow('at most 256')
    expect(checkEndpoints(many, 'in-order')).toHaveLength(257)
  })
})
