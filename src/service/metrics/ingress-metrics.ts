import type { Registry } from 'prom-client'
import type { IngressProtocolStats, IngressStats } from '../../ingress/ingress-stats.ts'
import { registerScraped } from './metric-types.ts'

/** What listeners count. */
export function registerIngressMetrics(registry: Registry, stats: () => readonly IngressStats[]): void {
  const sum = (pick: (stats: IngressStats) => number) => stats().reduce((total, one) => total + pick(one), 0)
  registerScraped(
    registry,
    'gauge',
    'middlemile_ingress_connections',
    'Client connections that are open now',
    () => [{ labels: {}, value: sum(({ connections }) => connections.open) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_connections_total',
    'Client connections by what became of them; one whose handshake failed was accepted before, and counts as both',
    () => [
      { labels: { outcome: 'accepted' }, value: sum(({ connections }) => connections.accepted) },
      { labels: { outcome: 'refused' }, value: sum(({ connections }) => connections.refused) },
      {
        labels: { outcome: 'handshake_failed' },
        value: sum(({ connections }) => connections.failedHandshakes),
      },
    ],
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_ingress_paused',
    'Listeners that accept no more until connections end, since descriptors are about to run out',
    () => [{ labels: {}, value: sum(({ accepting }) => Number(accepting.isPaused)) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_accept_pauses_total',
    'Times that a listener stopped accepting, since descriptors were about to run out',
    () => [{ labels: {}, value: sum(({ accepting }) => accepting.pauses) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_accept_limited_turns_total',
    'Turns of the event loop in which a listener accepted ingress.maxAcceptsPerTurn connections, so that more may have waited',
    () => [{ labels: {}, value: sum(({ accepting }) => accepting.limitedTurns) }],
  )
  const perProtocol = (pick: (stats: IngressProtocolStats) => number) =>
    (['http/1.1', 'h2', 'h3'] as const).map(protocol => ({
      labels: { protocol },
      value: sum(({ protocols }) => pick(protocols[protocol])),
    }))
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_sessions_total',
    'Client connections by the protocol that they turned out to speak',
    () => perProtocol(({ connections }) => connections),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_requests_total',
    'Requests of clients whose head was read, by protocol',
    () => perProtocol(({ requests }) => requests),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_defences_total',
    'Defences against clients that took effect, by the name of their limit',
    () =>
      Array.from(
        merged(stats(), ({ defences }) => defences),
        ([limit, value]) => ({ labels: { limit }, value }),
      ),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_shed_total',
    'Requests that were refused before any work was done on them, since the process was overloaded',
    () => [{ labels: {}, value: sum(({ shed }) => shed) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_dropped_fields_total',
    'Request fields that were left out for the underscore in their name',
    () => [{ labels: {}, value: sum(({ droppedFields }) => droppedFields) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_bad_requests_total',
    'Requests that were refused before they were routed, and clients that were too slow, by error code',
    () =>
      Array.from(
        merged(stats(), ({ badRequests }) => badRequests),
        ([code, value]) => ({ labels: { code }, value }),
      ),
  )
}

/** The counts of all listeners, added up by name. */
function merged(
  all: readonly IngressStats[],
  pick: (stats: IngressStats) => Readonly<Record<string, number>>,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const stats of all) {
    for (const [name, count] of Object.entries(pick(stats))) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  return counts
}
