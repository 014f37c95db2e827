import type { Registry } from 'prom-client'
import type { TransportStats } from '../../index.ts'
import { type Labels, registerScraped, type Sample } from './metric-types.ts'
import { perPool } from './pool-metrics.ts'

type PoolStats = TransportStats['pools'][number]
type EgressFigures = NonNullable<PoolStats['egress']>
type EgressMember = EgressFigures['members'][number]

/** Proxies, addresses or prefixes of an egress with labels of their own; the others are one. */
const MAX_SHOWN = 32

/**
 * What connections leave through, and the local ports that they take. `configured` names each origin key.
 */
export function registerEgressMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const perOrigin = perPool(registry, configured, stats)
  const perMember = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samplesOf: (member: EgressMember, labels: Labels) => Sample[],
  ) =>
    perOrigin(type, name, help, ({ egress }, { origin }) =>
      egress === undefined
        ? []
        : shownMembers(egress).flatMap(member =>
            samplesOf(member, { origin, egress: egress.name, member: member.name }),
          ),
    )
  perMember(
    'counter',
    'middlemile_egress_opened_total',
    'Connections that left through a proxy (tunnels), or from a local address or prefix, of the egress of an origin',
    ({ opened }, labels) => [{ labels, value: opened }],
  )
  perMember(
    'counter',
    'middlemile_egress_udp_tunnels_total',
    'Those of middlemile_egress_opened_total that are tunnels of UDP (CONNECT-UDP), which carry HTTP/3',
    ({ udpTunnels }, labels) => [{ labels, value: udpTunnels }],
  )
  perMember(
    'counter',
    'middlemile_egress_failed_total',
    'Connects that failed through a proxy, or for the local address, by error code',
    ({ failed }, labels) =>
      Object.entries(failed).map(([code, value]) => ({ labels: { ...labels, code }, value })),
  )
  perMember(
    'gauge',
    'middlemile_egress_current',
    '1 for the proxy or the local address that new connections leave through, 0 for the others',
    ({ isCurrent }, labels) => [{ labels, value: isCurrent ? 1 : 0 }],
  )
  perMember(
    'gauge',
    'middlemile_egress_backoff_seconds',
    'For how long a proxy or local address that has failed is left alone yet',
    ({ backoffMs }, labels) => [{ labels, value: backoffMs / 1000 }],
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_local_ports_in_use',
    'Connections from a local address (any: what the kernel chooses) to an address and port, of the 16 such pairs with the most',
    () =>
      stats().ports.pairs.map(({ transport, local, remote, inUse }) => ({
        labels: { transport, local: local === '' ? 'any' : local, remote },
        value: inUse,
      })),
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_local_ports_budget',
    'Connections that each such pair may have, by limits.maxPortShare; none where it is 0',
    () => {
      const { budget } = stats().ports
      return budget === undefined ? [] : [{ labels: {}, value: budget }]
    },
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_local_ports_refused_total',
    'Times that no local port was left for a connect, by limits.maxPortShare or as the kernel says; another address may have had one',
    () => [{ labels: {}, value: stats().ports.refused }],
  )
}

function shownMembers({ members }: EgressFigures): readonly EgressMember[] {
  if (members.length <= MAX_SHOWN) return members
  const failed: Record<string, number> = {}
  const others = members.slice(MAX_SHOWN)
  for (const member of others)
    for (const [code, count] of Object.entries(member.failed)) failed[code] = (failed[code] ?? 0) + count
  return [
    ...members.slice(0, MAX_SHOWN),
    {
      name: 'others',
      isCurrent: others.some(({ isCurrent }) => isCurrent),
      opened: others.reduce((sum, { opened }) => sum + opened, 0),
      udpTunnels: others.reduce((sum, { udpTunnels }) => sum + udpTunnels, 0),
      failed,
      backoffMs: Math.max(...others.map(({ backoffMs }) => backoffMs)),
    },
  ]
}
