import { describe, expect, it } from 'vitest'
import { readConfigText } from '../../../../src/service/config/read-config.ts'

const ENDPOINTS = 'endpoints: [192.0.2.1, 192.0.2.2], balance: { policy: random }'

function read(options: string) {
  return readConfigText(
    `listen: [{ address: 127.0.0.1:0 }]\norigins: { a: { url: https://a.test, ${options} } }\n`,
    '/',
  )
}

function faults(options: string): string[] {
  const config = read(options)
  return config.ok ? [] : config.faults.map(({ path, message }) => `${path}: ${message}`)
}

function doubts(options: string): string[] {
  const config = read(options)
  return config.ok ? config.doubts.map(({ path, message }) => `${path}: ${message}`) : ['faults']
}

describe('a configuration of the health of endpoints', () => {
  it('accepts every key', () => {
    const health =
      'health: { check: http, path: /up, method: HEAD, host: a.test, statuses: [200, 204], connections: fresh, interval: 2s, jitter: 0.1, timeout: 500ms, rise: 1, fall: 2 }'
    const outlier = 'outlier: { consecutiveFailures: 5, latencyFactor: 2.5, interval: 5s, ejection: 10s }'
    const config = read(`${ENDPOINTS}, ${health}, ${outlier}`)
    if (!config.ok) throw new Error(faults(`${ENDPOINTS}, ${health}, ${outlier}`).join())
    expect(config.doubts).toEqual([])
    expect(config.settings.transport.origins?.['https://a.test']).toMatchObject({
      health: { check: 'http', intervalMs: 2_000, timeoutMs: 500, statuses: [200, 204] },
      outlier: { latencyFactor: 2.5, ejectionMs: 10_000 },
    })
    expect(doubts(`${ENDPOINTS}, health: { check: off }`)).toEqual([])
  })

  it.each([
    ['health: { check: icmp }', 'origins.a.health.check: '],
    ['health: { path: up }', 'origins.a.health.path: must begin with /'],
    ['health: { statuses: [99] }', 'origins.a.health.statuses[0]: must be a status from 200 to 599'],
    ['health: { interval: 1ms }', 'origins.a.health.interval: must be at least 10 ms'],
    ['outlier: { maxEjectedShare: 2 }', 'origins.a.outlier.maxEjectedShare: '],
    ['outlier: { latencyFactor: 0.5 }', 'origins.a.outlier.latencyFactor: must be 0, or from 1 to 1000'],
    ['hedge: { quantile: 0.5 }', 'origins.a.hedge.quantile: must be 0, or from 0.9 to 0.9999'],
    ['hedge: { budgetRatio: 2 }', 'origins.a.hedge.budgetRatio: '],
    ['balance: { panicShare: 50 }', 'origins.a.balance.panicShare: '],
  ])('refuses %s at its place', (options, fault) => {
    expect(faults(options)).toEqual([expect.stringContaining(fault)])
  })

  it.each([
    [
      'health: { check: http }',
      'origins.a.health: nothing follows from it, since balance.policy spreads no requests over endpoints',
    ],
    [
      'endpoints: [192.0.2.1], balance: { policy: random }, outlier: {}',
      'origins.a.outlier: nothing follows from it, since the origin has fewer than two endpoints',
    ],
    [
      `${ENDPOINTS}, protocols: [http/1.1], health: { check: grpc }`,
      'origins.a.health.check: a check by grpc needs h2 or h3 among protocols',
    ],
    [
      `${ENDPOINTS}, protocols: [h3], health: { check: tcp }`,
      'origins.a.health.check: a check by tcp needs h2 or http/1.1 among protocols',
    ],
  ])('has %s doubted by --check', (options, doubt) => {
    expect(doubts(options)).toEqual([doubt])
  })
})
