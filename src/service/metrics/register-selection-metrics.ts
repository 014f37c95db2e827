import type { Registry } from 'prom-client'
import { registerScraped, type Sample } from './metric-types.ts'
import type { OriginMetrics } from './origin-metrics.ts'
import { HTTP3_STATUSES, type SelectionMetrics } from './selection-metrics.ts'

/**
 * How protocols were chosen. `configured`: the origins that are there now; `all`: those of before, too, whose
 * counters go on.
 */
export function registerSelectionMetrics(
  registry: Registry,
  { configured, all }: { configured: () => readonly OriginMetrics[]; all: () => readonly OriginMetrics[] },
): void {
  const counter = (
    name: string,
    help: string,
    samples: (metrics: SelectionMetrics, origin: string) => Iterable<Sample>,
  ) =>
    registerScraped(registry, 'counter', name, help, () =>
      all().flatMap(({ name: origin, selection }) => [...samples(selection, origin)]),
    )

  registerScraped(
    registry,
    'gauge',
    'middlemile_h3_status',
    "1 for what is thought of HTTP/3 to the origin's best alternative, 0 for the rest; none where there is no alternative",
    () =>
      configured().flatMap(({ name: origin, selection: { http3Status } }) =>
        http3Status === undefined
          ? []
          : HTTP3_STATUSES.map(status => ({
              labels: { origin, status },
              value: status === http3Status ? 1 : 0,
            })),
      ),
  )
  counter(
    'middlemile_decisions_total',
    'Decisions on the lane of an origin, by the lane that was chosen and the rule',
    function* (selection, origin) {
      for (const { lane, rule, count } of selection.decisions())
        yield { labels: { origin, lane, rule }, value: count }
    },
  )
  counter(
    'middlemile_races_total',
    'Races between lanes for a connection, by the winner; none: no lane gave one',
    (selection, origin) =>
      Array.from(selection.races.entries(), ([winner, value]) => ({ labels: { origin, winner }, value })),
  )
  counter('middlemile_lane_requests_total', 'Requests by the lane that carried them', (selection, origin) =>
    Array.from(selection.laneRequests.entries(), ([lane, value]) => ({ labels: { origin, lane }, value })),
  )
  counter(
    'middlemile_evidence_total',
    'What was learned of what an origin can do, by where it came from',
    (selection, origin) =>
      Array.from(selection.evidence.entries(), ([source, value]) => ({ labels: { origin, source }, value })),
  )
}
