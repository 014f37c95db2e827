import type { AlternativeSource } from '../evidence/alternative-sets.ts'
import type { SetName } from '../evidence/alternatives.ts'
import type { QuicReach } from './endpoint-memories.ts'
import type { Http3StatusSnapshot } from './h3-status.ts'
import type { FactName } from './origin-facts.ts'

/**
 * What is known of one origin as plain JSON, for a file that several processes share. All times are ms since
 * 1970: the monotonic clock of a process means nothing to another. snapshot-reader.ts reads one,
 * merge-snapshots.ts makes one of two.
 */
export interface OriginSnapshot {
  readonly version: typeof SNAPSHOT_VERSION
  /** What was learned of the path before is void. */
  readonly networkChangedAt?: number
  readonly facts: Partial<Readonly<Record<FactName, Stamped<unknown>>>>
  /** By endpointKey, as the two after it. */
  readonly attempts: Readonly<Record<string, Stamped<KeptAttempt>>>
  readonly connectMs: Readonly<Record<string, Stamped<number>>>
  readonly quic: Readonly<Record<string, Stamped<QuicReach>>>
  /** By what said them; configured ones are not kept. */
  readonly alternatives: Partial<Readonly<Record<KeptSetName, KeptSet>>>
  /** By alternativeKey. */
  readonly http3: Readonly<Record<string, Http3StatusSnapshot>>
  /** What the choice of lanes has learned; opaque here, no more than MAX_ESTIMATES_CHARS of JSON. */
  readonly estimates?: KeptEstimates
}

export const SNAPSHOT_VERSION = 1

/** A value that is known as of `at`, from `source`, until `expiresAt`. */
export interface Stamped<T> {
  readonly value: T
  readonly at: number
  readonly expiresAt: number
  readonly source: string
}

export interface KeptAttempt {
  readonly outcome: 'connected' | 'failed' | 'overtaken'
  readonly error?: string
}

export type KeptSetName = Exclude<SetName, 'configured'>
export const KEPT_SET_NAMES: readonly KeptSetName[] = ['advertised', 'serviceRecords', 'probed']

/** What one kind of source says. An empty list says that there is nothing. */
export interface KeptSet {
  readonly at: number
  readonly list: readonly KeptAlternative[]
}

export interface KeptAlternative {
  readonly host: string
  readonly port: number
  readonly source: AlternativeSource
  readonly expiresAt: number
  readonly persists: boolean
  readonly addressHints: readonly string[]
}

export interface KeptEstimates {
  readonly at: number
  readonly value: unknown
}

export const MAX_ESTIMATES_CHARS = 4096
