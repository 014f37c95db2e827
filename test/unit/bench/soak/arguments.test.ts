import { describe, expect, it } from 'vitest'
import { parseSoakArguments } from '../../../../bench/soak/arguments.ts'

describe('parseSoakArguments', () => {
  it('runs for ten minutes through the connector alone by default', () => {
    const usual = { seconds: 600, requests: 0, seed: 1, peers: [], keep: undefined, leastRequests: 0 }
    expect(parseSoakArguments([])).toEqual(usual)
  })

  it('ends after requests when only those are given, after either when both are', () => {
    expect(parseSoakArguments(['--requests', '1000000'])).toMatchObject({ seconds: 0, requests: 1_000_000 })
    const both = [
      '--requests',
      '100',
      '--minutes',
      '0.5',
      '--seed',
      '7',
      '--peers',
      'nginx,haproxy',
      '--keep',
      'd',
    ]
    expect(parseSoakArguments(both)).toEqual({
      seconds: 30,
      requests: 100,
      seed: 7,
      peers: ['nginx', 'haproxy'],
      keep: 'd',
      leastRequests: 0,
    })
  })

  it('is short with --quick', () => {
    expect(parseSoakArguments(['--quick'])).toMatchObject({ seconds: 12, leastRequests: 2_000 })
  })

  it.each([
    [['--minutes', '0'], '--minutes must be a number above 0, not 0'],
    [['--minutes', '1441'], '--minutes is at most 1440'],
    [['--requests', '1.5'], '--requests must be a whole number'],
    [['--seed', 'x'], '--seed must be a number above 0, not x'],
    [['--peers', 'caddy'], 'no peer called caddy: nginx, haproxy'],
  ])('refuses %j', (args, message) => {
    expect(() => parseSoakArguments(args)).toThrow(message)
  })

  it('accepts a whole day', () => {
    expect(parseSoakArguments(['--minutes', '1440'])).toMatchObject({ seconds: 86_400 })
  })
})
