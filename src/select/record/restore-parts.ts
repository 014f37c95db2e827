import type { Alternative, AlternativeSet } from '../evidence/alternative-sets.ts'
import type { Alternatives, SetName } from '../evidence/alternatives.ts'
import type { Evidence } from '../evidence/evidence.ts'
import type { EndpointMap, EndpointMemories } from './endpoint-memories.ts'
import { Http3Status, type Http3StatusOptions } from './h3-status.ts'
import { FACT_NAMES, FACTS, type FactName } from './origin-facts.ts'
import { KEPT_SET_NAMES, type KeptSet, type OriginSnapshot, type Stamped } from './origin-snapshot.ts'
import type { FactStore } from './record-facts.ts'

interface RestoredParts {
  readonly facts: FactStore
  readonly endpoints: EndpointMemories
  readonly alternatives: Alternatives
  readonly options: Http3StatusOptions
}

/** Fills new parts with what was kept. `offsetMs`: what the times in it are ahead of `now`'s clock. */
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

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- ties the reader to the fact that it reads
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
