import type { Registry } from 'prom-client'
import { guardedMicrotask } from '../../base/guard.ts'
import type { PoolStats, TransportStats } from '../../index.ts'
import { type Labels, registerScraped, type Sample } from './metric-types.ts'

type Handshakes = PoolStats['handshakes']
type Means = keyof Handshakes['avoided']
type Avoided = Handshakes['avoided'][Means]

/** The means as label values: a handful, whatever happens. */
const MEANS: readonly (readonly [Means, string])[] = [
  ['reuse', 'reuse'],
  ['resumption', 'resumption'],
  ['fastOpen', 'fast_open'],
  ['earlyData', 'early_data'],
]

/**
 * What handshakes cost and what was avoided. `configured` names each origin key. A figure that nobody
 * measured has no sample.
 */
export function registerHandshakeMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  let known: ReadonlyMap<string, Handshakes> | undefined
  /** A scrape asks for all metrics in one turn: they are of one look, so that they agree. */
  const look = () => {
    if (known === undefined) {
      known = new Map(stats().pools.map(({ origin, handshakes }) => [origin, handshakes]))
      guardedMicrotask('the end of a scrape', () => {
        known = undefined
      })
    }
    return known
  }
  const perOrigin = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samples: (handshakes: Handshakes, labels: Labels) => Sample[],
  ) =>
    registerScraped(registry, type, `middlemile_handshake_${name}`, help, () =>
      configured().flatMap(({ key, name: origin }) => {
        const handshakes = look().get(key)
        return handshakes === undefined ? [] : samples(handshakes, { origin })
      }),
    )
  const paid = (name: string, help: string, pick: (paid: Handshakes['paid']) => number | undefined) =>
    perOrigin('counter', name, help, ({ paid }, labels) => sample(labels, pick(paid)))
  const avoided = (name: string, help: string, pick: (avoided: Avoided) => number | undefined) =>
    perOrigin('counter', name, `${help}, by what avoided it`, ({ avoided }, labels) =>
      MEANS.flatMap(([means, label]) => sample({ ...labels, means: label }, pick(avoided[means]))),
    )

  paid('paid_round_trips_total', 'Round trips that handshakes took', ({ roundTrips }) => roundTrips)
  paid('paid_seconds_total', 'For which requests had to wait for handshakes', ({ seconds }) => seconds)
  paid('paid_bytes_total', 'Sent and received in handshakes, where that is measured', ({ bytes }) => bytes)
  paid('paid_cpu_seconds_total', 'CPU of handshakes, at most, where that is measured', ({ cpuMs }) =>
    inSeconds(cpuMs),
  )
  avoided('avoided_total', 'Handshakes, or parts of them, that were avoided', ({ count }) => count)
  avoided(
    'avoided_round_trips_total',
    'Round trips that handshakes did not take',
    ({ roundTrips }) => roundTrips,
  )
  avoided('avoided_seconds_total', 'Seconds that handshakes did not take', ({ seconds }) => seconds)
  avoided('avoided_bytes_total', 'Bytes that handshakes did not take', ({ bytes }) => bytes)
  avoided('avoided_cpu_seconds_total', 'CPU that handshakes did not take', ({ cpuMs }) => inSeconds(cpuMs))
  perOrigin(
    'gauge',
    'saved_seconds_per_day',
    'Deprecated: sum by (origin) (increase(middlemile_handshake_avoided_seconds_total[1d]))',
    ({ lastDay }, labels) => sample(labels, lastDay.perDay),
  )
  perOrigin(
    'gauge',
    'saved_window_seconds',
    'Deprecated, with saved_seconds_per_day: over which that was measured, a day at most',
    ({ lastDay }, labels) => sample(labels, lastDay.windowSeconds),
  )
}

function sample(labels: Labels, value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels, value }]
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000
}
