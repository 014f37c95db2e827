import { describe, expect, it } from 'vitest'
import { DEFAULT_OBJECTIVE_OPTIONS } from '../../../../src/base/options/objective-options.ts'
import { type EconomyCounters, NO_COUNTERS } from '../../../../src/origin/economy/economy-figures.ts'
import { judgeObjective } from '../../../../src/origin/economy/objective.ts'

const judge = (over: Partial<EconomyCounters>, isReuseOff = false) =>
  judgeObjective(DEFAULT_OBJECTIVE_OPTIONS, { ...NO_COUNTERS, requests: 1000, ...over }, isReuseOff)

describe('the objective of an origin', () => {
  it('is met where few enough connections were made', () => {
    expect(judge({ opened: 80 })).toEqual({ state: 'met', reuse: 0.92 })
    expect(judge({ opened: 81 })).toMatchObject({ state: 'missed', reuseRate: 0.919 })
  })

  it('is not judged by few requests, before its window is over, or where there is none', () => {
    expect(judge({ requests: 99, opened: 99 })).toEqual({ state: 'unknown', reuse: 0.92 })
    expect(judgeObjective(DEFAULT_OBJECTIVE_OPTIONS, undefined, false).state).toBe('unknown')
    const none = { reuse: 0, windowMs: 60_000 }
    expect(judgeObjective(none, { ...NO_COUNTERS, requests: 1000, opened: 1000 }, false).state).toBe('off')
  })

  it.each([
    ['origin-keep-alive', { 'keep-alive-timeout': 300, 'network-error': 100 }, /keepalive_timeout/],
    ['origin-max-requests', { 'peer-closed': 300 }, /keepalive_requests/],
    ['pool-too-small', { evicted: 300 }, /limits\.maxTotalConnections/],
    ['pool-too-large', { 'idle-timeout': 200, surplus: 100 }, /pool\.idleTimeoutMs/],
    ['resets', { 'network-error': 200, 'ping-failed': 100 }, /the path/],
    ['dns-changes', { 'address-gone': 300 }, /dnsRefreshMs/],
    ['age', { 'max-age': 300 }, /pool\.maxAgeMs/],
    ['abandoned', { 'exchange-aborted': 300 }, /h2/],
    ['demand-grew', { 'network-error': 100 }, /pool\.headroom/],
  ] as const)('names %s as a cause, and the option that would change it', (cause, closed, advice) => {
    const status = judge({ opened: 400, closed })
    expect(status).toMatchObject({ state: 'missed', cause })
    expect(status.state === 'missed' && status.advice).toMatch(advice)
  })

  it('names the certificate, and proxies that change, as causes where a connection has more than one', () => {
    const closed = { 'idle-timeout': 300 }
    expect(judge({ opened: 300, uncovered: 300 })).toMatchObject({ cause: 'certificate', share: 1 })
    const status = judge({ opened: 300, closed, uncovered: 300 })
    expect(status).toMatchObject({ cause: 'certificate' })
    expect(status.state === 'missed' && status.advice).toMatch(/certificateNames/)
    expect(judge({ opened: 300, closed, uncovered: 100 })).toMatchObject({ cause: 'pool-too-large' })
    const proxied = judge({ opened: 400, closed: { 'network-error': 300 }, proxyChanges: 300 })
    expect(proxied).toMatchObject({ cause: 'proxy-rotation', share: 0.75 })
    expect(proxied.state === 'missed' && proxied.advice).toMatch(/egress\.NAME\.stickyMs/)
  })

  it('takes connections that the origin ended while they were idle as a sign of its keep-alive', () => {
    const closed = { 'peer-closed': 300 }
    expect(judge({ opened: 300, closed, idleEnds: 200 })).toMatchObject({
      cause: 'origin-keep-alive',
      share: 2 / 3,
    })
    expect(judge({ opened: 300, closed, idleEnds: 100 })).toMatchObject({ cause: 'origin-max-requests' })
  })

  it('names the mode where nothing is reused', () => {
    const closed = { 'max-requests': 1000 }
    expect(judge({ opened: 1000, closed }, true)).toMatchObject({ cause: 'reuse-mode', share: 1 })
    expect(judge({ opened: 1000, closed })).toMatchObject({ cause: 'origin-max-requests' })
  })

  it('names no cause for connections that were drained', () => {
    expect(judge({ opened: 200, closed: { drained: 200 } })).toMatchObject({ cause: 'demand-grew', share: 0 })
  })
})
