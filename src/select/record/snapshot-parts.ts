import type { Alternative, AlternativeSet } from '../evidence/alternative-sets.ts'
import { type Alternatives, MAX_STATUSES, type SetName } from '../evidence/alternatives.ts'
import {
  ALTERNATIVE_LIFETIMES_MS,
  ESTIMATES_LIFETIME_MS,
  type Evidence,
  STATUS_LIFETIME_MS,
} from '../evidence/evidence.ts'
import { type EndpointMap, type EndpointMemories, MAX_ENDPOINTS } from './endpoint-memories.ts'
import { Http3Status, type Http3StatusOptions, type Http3StatusSnapshot } from './h3-status.ts'
import { FACT_NAMES, FACTS, type FactName, type FactRule, isFactName } from './origin-facts.ts'
import {
  KEPT_SET_NAMES,
  type KeptAttempt,
  type KeptEstimates,
  type KeptSet,
  type OriginSnapshot,
  SNAPSHOT_VERSION,
  type Stamped,
} from './origin-snapshot.ts'
import type { FactStore } from './record-facts.ts'

interface SnapshotParts {
  readonly facts: FactStore
  readonly endpoints: EndpointMemories
  readonly alternatives: Alternatives
  readonly networkChangedAt: number | undefined
  readonly estimates: KeptEstimates | undefined
}

/**
 * What is to be kept of a record: what has not expired, with times in ms since 1970. `offsetMs`: what those
 * are ahead of the record's clock.
 */
export function makeSnapshot(parts: SnapshotParts, offsetMs: number, now: number): OriginSnapshot {
  const { facts, endpoints, alternatives, networkChangedAt, estimates } = parts
  const toWall = (at: number): number => Math.round(at + offsetMs)
  const stamped = <T>({ value, at, expiresAt, source }: Evidence<T>): Stamped<T> => ({
    value,
    at: toWall(at),
    expiresAt: toWall(expiresAt),
    source,
  })
  const mapOf = <T, K>(map: EndpointMap<Evidence<T>>, keep: (value: T) => K): Record<string, Stamped<K>> =>
    Object.fromEntries(
      [...map.entries()]
        .filter(([, { expiresAt }]) => expiresAt > now)
        .map(([key, evidence]) => [key, stamped({ ...evidence, value: keep(evidence.value) })]),
    )

  const known = FACT_NAMES.flatMap((name): [FactName, Stamped<unknown>][] => {
    const evidence: Evidence<unknown> | undefined = facts.get(name, now)
    const { read }: FactRule<unknown> = FACTS[name]
    // What would not be read is not written: Infinity for one, which JSON does not know.
    const value = evidence === undefined ? undefined : read?.(evidence.value)
    return evidence === undefined || value === undefined ? [] : [[name, stamped({ ...evidence, value })]]
  })
  const sets = KEPT_SET_NAMES.flatMap((name): [string, KeptSet][] => {
    const { at, list } = alternatives.set(name)
    if (at === Number.NEGATIVE_INFINITY) return []
    const kept = list
      .filter(({ expiresAt }) => expiresAt > now)
      .map(({ host, port, source, expiresAt, persists, addressHints }) => {
        return { host, port, source, expiresAt: toWall(expiresAt), persists, addressHints }
      })
    return [[name, { at: toWall(at), list: kept }]]
  })
  const http3 = [...alternatives.statuses].flatMap(([key, status]): [string, Http3StatusSnapshot][] => {
    const snapshot = status.snapshot(offsetMs, now)
    return snapshot === undefined ? [] : [[key, snapshot]]
  })
  return {
    version: SNAPSHOT_VERSION,
    ...(networkChangedAt === undefined ? {} : { networkChangedAt: toWall(networkChangedAt) }),
    facts: Object.fromEntries(known),
    attempts: mapOf(endpoints.attempts, ({ outcome, error }): KeptAttempt => {
      return error === undefined ? { outcome } : { outcome, error }
    }),
    connectMs: mapOf(endpoints.connectMs, ms => ms),
    quic: mapOf(endpoints.quic, reach => reach),
    alternatives: Object.fromEntries(sets),
    http3: Object.fromEntries(http3),
    ...(estimates === undefined ? {} : { estimates: { at: toWall(estimates.at), value: estimates.value } }),
  }
}

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
    // One that says nothing still shows that what others received before is void, but not for ever.
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

/**
 * What two processes know together: of each thing the newest. What both learned at the same time is settled
 * by the text of it, so that the order in which processes write never matters: merging is commutative,
 * associative and idempotent (a join of lattices, as in state-based CRDTs: Shapiro et al., 2011). Bounds
 * hold: of a map with too many members the newest stay.
 */
export function mergeSnapshots(a: OriginSnapshot, b: OriginSnapshot): OriginSnapshot {
  const networkChangedAt = Math.max(a.networkChangedAt ?? 0, b.networkChangedAt ?? 0)
  const estimates = newest(a.estimates, b.estimates)
  return {
    version: SNAPSHOT_VERSION,
    ...(networkChangedAt === 0 ? {} : { networkChangedAt }),
    facts: mergeMaps(a.facts, b.facts, Number.POSITIVE_INFINITY),
    attempts: mergeMaps(a.attempts, b.attempts, MAX_ENDPOINTS),
    connectMs: mergeMaps(a.connectMs, b.connectMs, MAX_ENDPOINTS),
    quic: mergeMaps(a.quic, b.quic, MAX_ENDPOINTS),
    alternatives: mergeMaps(a.alternatives, b.alternatives, KEPT_SET_NAMES.length),
    http3: mergeMaps(a.http3, b.http3, MAX_STATUSES),
    ...(estimates === undefined ? {} : { estimates }),
  }
}

/** What another process knows that is newer than what is known here. Neither is changed. */
export function newsOf(others: OriginSnapshot, own: OriginSnapshot): OriginSnapshot {
  // That a connect succeeded takes ours away, and leaves no date behind.
  const { lastFailure: _, ...facts } = others.facts
  const merged = mergeSnapshots(own, { ...others, facts })
  // What is our own comes out of the merge as the same object.
  const news = <T>(all: Readonly<Record<string, T>>, ours: Readonly<Record<string, T | undefined>>) =>
    filter(all, (member, name) => member !== ours[name])
  return {
    version: SNAPSHOT_VERSION,
    facts: news(merged.facts, own.facts),
    attempts: news(merged.attempts, own.attempts),
    connectMs: news(merged.connectMs, own.connectMs),
    quic: news(merged.quic, own.quic),
    alternatives: news(merged.alternatives, own.alternatives),
    http3: news(merged.http3, own.http3),
  }
}

interface Dated {
  readonly at: number
}

function mergeMaps<T extends Dated>(
  a: Readonly<Record<string, T>>,
  b: Readonly<Record<string, T>>,
  max: number,
): Record<string, T> {
  const merged = new Map<string, T>(Object.entries(a))
  for (const [key, member] of Object.entries(b)) merged.set(key, newer(merged.get(key) ?? member, member))
  // By age and then by name: a member only moves up when it gets newer, so that it makes no difference when
  // it is cut off.
  const entries = [...merged].sort(
    ([nameA, { at: atA }], [nameB, { at: atB }]) => atB - atA || compare(nameA, nameB),
  )
  return Object.fromEntries(entries.slice(0, max))
}

function newest<T extends Dated>(a: T | undefined, b: T | undefined): T | undefined {
  return a === undefined || b === undefined ? (a ?? b) : newer(a, b)
}

function newer<T extends Dated>(a: T, b: T): T {
  if (a.at !== b.at) return a.at > b.at ? a : b
  return compare(JSON.stringify(a), JSON.stringify(b)) >= 0 ? a : b
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

interface RestoredParts {
  readonly facts: FactStore
  readonly endpoints: EndpointMemories
  readonly alternatives: Alternatives
  readonly options: Http3StatusOptions
}

/** Puts what was kept over what is there. `offsetMs`: what the times in it are ahead of `now`'s clock. */
export function restoreParts(
  parts: RestoredParts,
  kept: OriginSnapshot,
  offsetMs: number,
  now: number,
): void {
  const evidenceOf = <T>({ value, at, expiresAt, source }: Stamped<T>): Evidence<T> => ({
    value,
    at: at - offsetMs,
    source,
    expiresAt: expiresAt - offsetMs,
  })
  for (const name of FACT_NAMES) {
    const stamped = kept.facts[name]
    if (stamped !== undefined) putFact(parts.facts, name, evidenceOf(stamped))
  }
  const { attempts, connectMs, quic } = parts.endpoints
  fill(attempts, kept.attempts, stamped => {
    const { outcome, error } = stamped.value
    return evidenceOf({ ...stamped, value: { outcome, error } })
  })
  fill(connectMs, kept.connectMs, evidenceOf)
  fill(quic, kept.quic, evidenceOf)

  const sets: Partial<Record<SetName, AlternativeSet>> = {}
  for (const name of KEPT_SET_NAMES) {
    const set = kept.alternatives[name]
    if (set !== undefined) sets[name] = alternativesOf(set, offsetMs)
  }
  const statuses = inOrder(kept.http3).map(
    ([key, snapshot]) => [key, Http3Status.restore(parts.options, snapshot, offsetMs, now)] as const,
  )
  parts.alternatives.restore(sets, statuses)
}

function alternativesOf({ at, list }: KeptSet, offsetMs: number): AlternativeSet {
  const learnedAt = at - offsetMs
  return {
    at: learnedAt,
    list: list.map(
      (kept): Alternative => ({ protocol: 'h3', ...kept, learnedAt, expiresAt: kept.expiresAt - offsetMs }),
    ),
  }
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- ties the reader to its fact
function putFact<Name extends FactName>(
  facts: FactStore,
  name: Name,
  { value, ...rest }: Evidence<unknown>,
): void {
  const read = FACTS[name].read
  const known = read?.(value)
  if (known !== undefined) facts.put(name, { value: known, ...rest })
}

function fill<T, K extends { at: number }>(
  map: EndpointMap<T>,
  kept: Readonly<Record<string, K>>,
  evidenceOf: (stamped: K) => T,
): void {
  for (const [endpoint, stamped] of inOrder(kept)) map.set(endpoint, evidenceOf(stamped))
}

/** The oldest first, as the bounded maps want it. */
function inOrder<T extends { at: number }>(members: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(members).sort(([, a], [, b]) => a.at - b.at)
}
