import type { DecisionRule, Http3StatusName, LaneName } from '../../entry/events.ts'
import type { TransportEvent } from '../../index.ts'
import { CounterSet } from './metric-types.ts'

type Event<Type extends TransportEvent['type']> = Extract<TransportEvent, { type: Type }>

/** Best first: the order in which the status of an origin with several alternatives is shown. */
export const HTTP3_STATUSES: readonly Http3StatusName[] = ['confirmed', 'pending', 'failedRecently', 'broken']

/** Alternatives of one origin whose status is kept: Alt-Svc of a hostile origin could name any number. */
const MAX_ALTERNATIVES = 32

/** What no counter has a label for. */
const OTHER_SOURCE = 'other'

/**
 * Where evidence comes from, as labels. A source is text for people that begins with such a word (`ALTSVC
 * frame`, `handshake with 192.0.2.1:443`), and a label must not be what somebody else may write.
 */
const SOURCES = [
  'alt-svc',
  'altsvc-frame',
  'https-record',
  'probe',
  'handshake',
  'alpn',
  'settings',
  'resolver',
  'configuration',
] as const
export type SourceLabel = (typeof SOURCES)[number] | typeof OTHER_SOURCE

/** How the protocols of one origin were chosen. */
export class SelectionMetrics {
  readonly laneRequests = new CounterSet<LaneName>()
  readonly races = new CounterSet<LaneName | 'none'>()
  readonly evidence = new CounterSet<SourceLabel>()
  readonly #decisions = new Map<LaneName, CounterSet<DecisionRule>>()
  /** By alternative, the one that was reported last at the end. */
  readonly #http3 = new Map<string, Http3StatusName>()

  onDecision({ decision: { lane, rule } }: Event<'decision'>): void {
    let rules = this.#decisions.get(lane)
    if (rules === undefined) {
      rules = new CounterSet()
      this.#decisions.set(lane, rules)
    }
    rules.add(rule)
  }

  onRaceEnded({ winner }: Event<'race-ended'>): void {
    this.races.add(winner ?? 'none')
  }

  onHttp3Status({ alternative, status }: Event<'http3-status'>): void {
    this.#http3.delete(alternative)
    this.#http3.set(alternative, status)
    if (this.#http3.size <= MAX_ALTERNATIVES) return
    for (const oldest of this.#http3.keys()) {
      this.#http3.delete(oldest)
      return
    }
  }

  onEvidence({ source }: Event<'evidence'>): void {
    const word = source.toLowerCase().replaceAll(' ', '-')
    this.evidence.add(SOURCES.find(known => word.startsWith(known)) ?? OTHER_SOURCE)
  }

  *decisions(): Generator<{ lane: LaneName; rule: DecisionRule; count: number }> {
    for (const [lane, rules] of this.#decisions) {
      for (const [rule, count] of rules.entries()) yield { lane, rule, count }
    }
  }

  /** Of the origin's best alternative. Undefined: it has none. */
  get http3Status(): Http3StatusName | undefined {
    const known = new Set(this.#http3.values())
    return HTTP3_STATUSES.find(status => known.has(status))
  }
}
