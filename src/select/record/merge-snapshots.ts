import { MAX_STATUSES } from '../evidence/alternatives.ts'
import { MAX_ENDPOINTS } from './endpoint-memories.ts'
import { KEPT_SET_NAMES, type OriginSnapshot, SNAPSHOT_VERSION } from './origin-snapshot.ts'

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
