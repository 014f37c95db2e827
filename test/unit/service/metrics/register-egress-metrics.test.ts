import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import type { TransportStats } from '../../../../src/index.ts'
import { registerEgressMetrics } from '../../../../src/service/metrics/register-egress-metrics.ts'

const CONFIGURED = [{ key: 'https://a.test', name: 'a' }]

function registryOf(pool: object, ports: object): Registry {
  const registry = new Registry()
  const stats = { pools: [{ origin: 'https://a.test', ...pool }], ports } as unknown as TransportStats // what is read
  registerEgressMetrics(
    registry,
    () => CONFIGURED,
    () => stats,
  )
  return registry
}

const member = (name: string, more: object = {}) => ({
  name,
  isCurrent: false,
  opened: 1,
  udpTunnels: 0,
  failed: {},
  backoffMs: 0,
  ...more,
})

it('says of each proxy what became of connects, which one carries, and which one is left alone', async () => {
  const members = [
    member('http://p.test:1', { isCurrent: true, opened: 7, udpTunnels: 2 }),
    member('http://q.test:1', { failed: { MM_PROXY_AUTH: 2 }, backoffMs: 1_500 }),
  ]
  const text = await registryOf(
    { egress: { name: 'out', kind: 'proxies', members } },
    { budget: 90, refused: 3, pairs: [{ transport: 'tcp', local: '', remote: '192.0.2.1:443', inUse: 4 }] },
  ).metrics()
  for (const line of [
    'middlemile_egress_opened_total{origin="a",egress="out",member="http://p.test:1"} 7',
    'middlemile_egress_udp_tunnels_total{origin="a",egress="out",member="http://p.test:1"} 2',
    'middlemile_egress_failed_total{origin="a",egress="out",member="http://q.test:1",code="MM_PROXY_AUTH"} 2',
    'middlemile_egress_current{origin="a",egress="out",member="http://p.test:1"} 1',
    'middlemile_egress_current{origin="a",egress="out",member="http://q.test:1"} 0',
    'middlemile_egress_backoff_seconds{origin="a",egress="out",member="http://q.test:1"} 1.5',
    'middlemile_local_ports_in_use{transport="tcp",local="any",remote="192.0.2.1:443"} 4',
    'middlemile_local_ports_budget 90',
    'middlemile_local_ports_refused_total 3',
  ])
    expect(text).toContain(line)
})

it('has no more than 33 series of an egress, however many addresses it has', async () => {
  const members = Array.from({ length: 200 }, (_, index) =>
    member(`192.0.2.${index}`, { failed: { MM_LOCAL_ADDRESS: 1 }, isCurrent: index === 150 }),
  )
  const text = await registryOf(
    { egress: { name: 'out', kind: 'addresses', members } },
    { budget: undefined, refused: 0, pairs: [] },
  ).metrics()
  expect(text.match(/^middlemile_egress_opened_total\{/gm)).toHaveLength(33)
  expect(text).toContain('middlemile_egress_opened_total{origin="a",egress="out",member="others"} 168')
  expect(text).toContain(
    'middlemile_egress_failed_total{origin="a",egress="out",member="others",code="MM_LOCAL_ADDRESS"} 168',
  )
  expect(text).toContain('middlemile_egress_current{origin="a",egress="out",member="others"} 1')
  expect(text).not.toMatch(/^middlemile_local_ports_budget \d/m)
})
