import type { Alternatives } from '../evidence/alternatives.ts'
import type { Evidence } from '../evidence/evidence.ts'
import type { EndpointMap, EndpointMemories } from './endpoint-memories.ts'
import type { FactStore } from './fact-store.ts'
import type { Http3StatusSnapshot } from './h3-status.ts'
import { FACT_NAMES, FACTS, type FactName, type FactRule } from './origin-facts.ts'
import {
  KEPT_SET_NAMES,
  type KeptAttempt,
  type KeptEstimates,
  type KeptSet,
  type OriginSnapshot,
  SNAPSHOT_VERSION,
  type Stamped,
} from './origin-snapshot.ts'

export interface SnapshotParts {
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
