import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { type IngressStats, newIngressStats } from '../../../../src/ingress/ingress-stats.ts'
import {
  registerForwardingMetrics,
  registerResolverMetrics,
} from '../../../../src/service/metrics/process-metrics.ts'
import { ServiceMetrics } from '../../../../src/service/metrics/service-metrics.ts'
import { NO_ECONOMY } from '../../../support/economy-figures.ts'
import { parsePrometheusText } from '../../../support/prometheus-text.ts'

function serviceMetrics(ingress: IngressStats): ServiceMetrics {
  return new ServiceMetrics({
    transportStats: () => ({
      pools: [],
      leaving: [],
      totalConnections: 0,
      economy: NO_ECONOMY.economy,
      deferredDials: 0,
      ports: { budget: undefined, pairs: [], refused: 0 },
      resolver: { answered: 0, failed: 0, stale: 0 },
    }),
    ingressStats: () => [ingress],
    stallStats: () => ({ bufferedBytes: 0, bufferedResponses: 0, stalledReaders: 0, endedReaders: 0 }),
    proxies: () => [],
    mirrorCounts: () => new Map([['api', { counts: new Map([['answered', 2]]) }]]),
    dropped: () => ({ log: 3, access_log: 5, qlog: 4 }),
    certificates: () => [
      {
        of: 'listener',
        name: '127.0.0.1:8443',
        certificate: 'shop.example',
        expiresAtSeconds: 1_800_000_000,
      },
    ],
    version: '1.2.3',
  })
}

describe('a scrape of the process', () => {
  it('shows the faults and the state of the process', async () => {
    const ingress = newIngressStats()
    const metrics = serviceMetrics(ingress)
    metrics.faults.add('contained system')
    metrics.returnedMemoryBytes = 6
    ingress.accepting.pauses = 5
    ingress.accepting.isPaused = true
    ingress.accepting.limitedTurns = 6
    const page = parsePrometheusText(await metrics.registry.metrics())
    expect(page.sum('middlemile_faults_total', { kind: 'contained', cause: 'system' })).toBe(1)
    expect(page.sum('middlemile_faults_total', { kind: 'uncaught', cause: 'defect' })).toBe(0)
    expect(page.sum('middlemile_memory_returned_bytes_total')).toBe(6)
    expect(page.sum('middlemile_log_dropped_total', { to: 'log' })).toBe(3)
    expect(page.sum('middlemile_log_dropped_total', { to: 'qlog' })).toBe(4)
    expect(page.sum('middlemile_log_dropped_total', { to: 'access_log' })).toBe(5)
    expect(page.sum('middlemile_ingress_accept_pauses_total')).toBe(5)
    expect(page.sum('middlemile_ingress_paused')).toBe(1)
    expect(page.sum('middlemile_build_info', { version: '1.2.3', node: process.versions.node })).toBe(1)
    const listener = { of: 'listener', name: '127.0.0.1:8443' }
    expect(page.sum('middlemile_certificate_expiry_timestamp_seconds', listener)).toBe(1_800_000_000)
    expect(page.sum('middlemile_ingress_accept_limited_turns_total')).toBe(6)
  })
})

describe('the reloads in a scrape', () => {
  it('are counted by outcome, with the time of the last one that was taken', async () => {
    const metrics = serviceMetrics(newIngressStats())
    const read = async () => parsePrometheusText(await metrics.registry.metrics())
    expect((await read()).sum('middlemile_config_last_reload_successful')).toBe(1)
    metrics.onReloaded(false)
    const refused = await read()
    expect(refused.sum('middlemile_config_reloads_total', { outcome: 'refused' })).toBe(1)
    expect(refused.sum('middlemile_config_last_reload_successful')).toBe(0)
    const name = 'middlemile_config_last_reload_success_timestamp_seconds'
    expect(Math.abs(refused.sum(name) - Date.now() / 1000)).toBeLessThan(60)
    metrics.onReloaded(true)
    const taken = await read()
    expect(taken.sum('middlemile_config_reloads_total', { outcome: 'taken' })).toBe(1)
    expect(taken.sum('middlemile_config_last_reload_successful')).toBe(1)
  })
})

it('a scrape shows what slow clients hold, and how many were ended', async () => {
  const registry = new Registry()
  registerForwardingMetrics(registry, () => ({
    bufferedBytes: 65_536,
    bufferedResponses: 7,
    stalledReaders: 3,
    endedReaders: 2,
  }))
  const page = parsePrometheusText(await registry.metrics())
  expect(page.sum('middlemile_buffered_response_bytes')).toBe(65_536)
  expect(page.sum('middlemile_buffered_responses_total')).toBe(7)
  expect(page.sum('middlemile_stalled_readers')).toBe(3)
  expect(page.sum('middlemile_stalled_readers_ended_total')).toBe(2)
})

it('a scrape has the outcome of lookups of addresses', async () => {
  const registry = new Registry()
  registerResolverMetrics(registry, () => ({ answered: 5, failed: 2, stale: 3 }))
  const text = await registry.metrics()
  expect(text.split('\n').filter(line => line.startsWith('middlemile'))).toEqual([
    'middlemile_dns_lookups_total{outcome="answered"} 5',
    'middlemile_dns_lookups_total{outcome="failed"} 2',
    'middlemile_dns_stale_answers_total 3',
  ])
})
