import { systemClock } from '../../entry/events.ts'
import type { Explanation } from '../../index.ts'
import type { Sample } from '../metrics/metric-types.ts'
import type { FleetCeiling, FleetStatus } from './fleet-shares.ts'

/** Two clocks, read at once: the one that the status has its times in, and that of the wall. */
export interface Now {
  readonly now: number
  readonly wall: number
}

export function bothClocks(): Now {
  return { now: systemClock.now(), wall: Date.now() }
}

/** `fleet` of `GET /pools`. */
export function fleetPage({ redis, standing, ceilings }: FleetStatus, { now, wall }: Now) {
  const { state, because, since, answeredAt, answered, failed } = standing
  const iso = (at: number): string => new Date(wall - (now - at)).toISOString()
  return {
    redis,
    state,
    ...(because !== undefined && { because }),
    since: iso(since),
    lastAnswer: answeredAt === undefined ? null : iso(answeredAt),
    answered,
    failed,
    ceilings: ceilings.map(({ of, ceiling, floor, share, state: hostState, holds, wants, all }) => ({
      of,
      ceiling,
      floor,
      state: hostState,
      share,
      holds,
      wants,
      fleet: all && { hosts: all.members, wanted: all.wanted, granted: all.granted },
    })),
  }
}

/** What `explain` adds for an origin whose ceiling is the fleet's. */
export function fleetFacts(status: FleetStatus | undefined, originKey: string): Explanation['known'] {
  const found = status?.ceilings.find(({ of }) => of === originKey)
  if (status === undefined || found === undefined) return []
  return [{ fact: 'the ceiling is that of a fleet (state.redis)', evidence: evidence(status, found) }]
}

function evidence(
  { redis, standing }: FleetStatus,
  { state, share, ceiling, floor, all }: FleetCeiling,
): string {
  const answers =
    standing.state === 'answering'
      ? `Redis at ${redis} answers`
      : `Redis at ${redis} does not answer: ${standing.because ?? 'it has not been asked yet'}`
  if (state === 'cut-off')
    return `this host may have ${share}, its protection.floor of ${floor}, instead of a share of ${ceiling}; ${answers}`
  const hosts = all?.members === 1 ? '1 host wants' : `${all?.members} hosts want`
  const others = all === undefined ? '' : `; ${hosts} ${all.wanted}, ${all.granted} granted`
  return `this host may have ${share} of ${ceiling} now${others}; ${answers}`
}

export interface FleetMetric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly values: Sample[]
}

/** `nameOf`: what the configuration calls an origin. Without a fleet there are no values. */
export function fleetMetrics(
  status: FleetStatus | undefined,
  nameOf: (originKey: string) => string | undefined,
  { now, wall }: Now,
): FleetMetric[] {
  const { state, answeredAt, answered = 0, failed = 0 } = status?.standing ?? {}
  const whole = (value: number | undefined): Sample[] =>
    status === undefined || value === undefined ? [] : [{ labels: {}, value }]
  const perOrigin = (pick: (ceiling: FleetCeiling) => number | undefined): Sample[] =>
    (status?.ceilings ?? []).flatMap(ceiling => {
      const [origin, value] = [nameOf(ceiling.of), pick(ceiling)]
      return origin === undefined || value === undefined ? [] : [{ labels: { origin }, value }]
    })
  return [
    metric(
      'gauge',
      'middlemile_fleet_redis_up',
      '1 while the Redis of state.redis answers, 0 while it does not',
      whole(state === 'answering' ? 1 : 0),
    ),
    metric(
      'gauge',
      'middlemile_fleet_last_answer_timestamp_seconds',
      'When Redis answered last; none while it has not',
      whole(answeredAt === undefined ? undefined : (wall - (now - answeredAt)) / 1000),
    ),
    metric(
      'counter',
      'middlemile_fleet_asks_total',
      'Steps that Redis was asked for, by the outcome (answered, failed)',
      [
        ...whole(answered).map(({ value }) => ({ labels: { outcome: 'answered' }, value })),
        ...whole(failed).map(({ value }) => ({ labels: { outcome: 'failed' }, value })),
      ],
    ),
    metric(
      'gauge',
      'middlemile_fleet_share',
      'Connections of protection.maxConnections that this host may have now',
      perOrigin(({ share }) => share),
    ),
    metric(
      'gauge',
      'middlemile_fleet_cut_off',
      '1 while this host has protection.floor, since nobody says what its share is',
      perOrigin(({ state: hostState }) => (hostState === 'cut-off' ? 1 : 0)),
    ),
    metric(
      'gauge',
      'middlemile_fleet_hosts',
      'Hosts that have a part in the ceiling of an origin, as Redis said last',
      perOrigin(({ all }) => all?.members),
    ),
    metric(
      'gauge',
      'middlemile_fleet_wanted',
      'Connections that all hosts have a use for, as Redis said last',
      perOrigin(({ all }) => all?.wanted),
    ),
  ]
}

function metric(type: FleetMetric['type'], name: string, help: string, values: Sample[]): FleetMetric {
  return { type, name, help, values }
}
