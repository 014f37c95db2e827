import { ALTERNATIVE_LIFETIMES_MS, ESTIMATES_LIFETIME_MS, STATUS_LIFETIME_MS } from './lifetimes.ts'
import { FACTS, isFactName } from './origin-facts.ts'
import type { KeptSet, OriginSnapshot } from './origin-snapshot.ts'

/** Stamps may be ahead of our clock by this: another process rounded, or the clock was set back a little. */
const MAX_AHEAD_MS = 60_000

/**
 * What of a snapshot still holds: without what has expired, what comes from the future (a clock was wrong,
 * and it would win against everything that is learned from now on), and what was seen on the network before
 * this one.
 *
 * @param wallNow ms since 1970
 */
export function freshSnapshot(snapshot: OriginSnapshot, wallNow: number): OriginSnapshot {
  const isPast = (at: number): boolean => at <= wallNow + MAX_AHEAD_MS
  const { networkChangedAt, estimates, alternatives } = snapshot
  const changedAt = networkChangedAt === undefined || !isPast(networkChangedAt) ? undefined : networkChangedAt
  const isOfThisNetwork = (at: number): boolean => changedAt === undefined || at >= changedAt
  const holds = ({ at, expiresAt }: { at: number; expiresAt: number }): boolean =>
    isPast(at) && expiresAt > wallNow
  const holdsHere = (stamped: { at: number; expiresAt: number }): boolean =>
    holds(stamped) && isOfThisNetwork(stamped.at)

  const left = ({ at, list }: KeptSet): KeptSet => ({
    at,
    list: list.filter(({ expiresAt, persists }) => expiresAt > wallNow && (persists || isOfThisNetwork(at))),
  })
  return {
    version: snapshot.version,
    ...(changedAt === undefined ? {} : { networkChangedAt: changedAt }),
    facts: filter(snapshot.facts, (stamped, name) =>
      isFactName(name) && FACTS[name].isOfPath ? holdsHere(stamped) : holds(stamped),
    ),
    attempts: filter(snapshot.attempts, holdsHere),
    connectMs: filter(snapshot.connectMs, holdsHere),
    quic: filter(snapshot.quic, holdsHere),
    // One that says nothing still tells that what others heard before is void, but not for ever.
    alternatives: map(
      filter(alternatives, ({ at }) => isPast(at) && at + ALTERNATIVE_LIFETIMES_MS.max > wallNow),
      left,
    ),
    http3: filter(
      snapshot.http3,
      ({ at }) => isPast(at) && at + STATUS_LIFETIME_MS > wallNow && isOfThisNetwork(at),
    ),
    ...(estimates !== undefined && isPast(estimates.at) && estimates.at + ESTIMATES_LIFETIME_MS > wallNow
      ? { estimates }
      : {}),
  }
}

function filter<T>(
  members: Readonly<Record<string, T>>,
  isKept: (member: T, name: string) => boolean,
): Record<string, T> {
  return Object.fromEntries(Object.entries(members).filter(([name, member]) => isKept(member, name)))
}

function map<T>(members: Readonly<Record<string, T>>, change: (member: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, change(member)]))
}
