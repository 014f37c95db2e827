import { isAuthority } from '../../base/http/origin.ts'
import { type AlternativeSource, alternativeKey, MAX_ALTERNATIVES } from '../evidence/alternative-sets.ts'
import { MAX_STATUSES, type SetName } from '../evidence/alternatives.ts'
import {
  ALTERNATIVE_LIFETIMES_MS,
  brief,
  ENDPOINT_LIFETIMES_MS,
  FACT_LIFETIMES_MS,
} from '../evidence/evidence.ts'
import { MAX_ENDPOINTS, MAX_QUIC_VERSIONS, type QuicReach } from './endpoint-memories.ts'
import { type Http3StatusSnapshot, MAX_FAILURES } from './h3-status.ts'
import * as json from './json-reader.ts'
import { FACT_NAMES, FACTS, type FactName, type FactRule, isFactName } from './origin-facts.ts'

/**
 * What is known of one origin as plain JSON, for a file that several processes share. All times are ms since
 * 1970: the monotonic clock of a process means nothing to another. snapshot-parts.ts makes one
 * of a record, and one of two.
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

type KeptSetName = Exclude<SetName, 'configured'>
export const KEPT_SET_NAMES: readonly KeptSetName[] = ['advertised', 'serviceRecords', 'probed']

/** What one kind of source says. An empty list says that there is nothing. */
export interface KeptSet {
  readonly at: number
  readonly list: readonly KeptAlternative[]
}

interface KeptAlternative {
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

const MAX_ESTIMATES_CHARS = 4096

const MAX_KEY_CHARS = 300
const MAX_CONNECT_MS = 86_400_000
const SOURCES = ['alt-svc', 'altsvc-frame', 'https-record', 'probe'] as const

/**
 * Reads what may come from a damaged file: everything that is right, bounded like the record itself. Whether
 * it still holds is another question (snapshot-parts.ts). Undefined: it is no snapshot of a version that we
 * know. Never throws.
 */
export function readSnapshot(value: unknown): OriginSnapshot | undefined {
  const object = json.readObject(value)
  if (object === undefined || object['version'] !== SNAPSHOT_VERSION) return undefined
  const networkChangedAt = json.readTime(object['networkChangedAt'])
  const facts = json.readMembers(object['facts'], 2 * FACT_NAMES.length).flatMap(([name, member]) => {
    if (!isFactName(name)) return []
    const { read }: FactRule<unknown> = FACTS[name]
    const stamped = read === undefined ? undefined : readStamped(member, read, FACT_LIFETIMES_MS[name])
    return stamped === undefined ? [] : [[name, stamped] as const]
  })
  const endpoints = <T>(name: keyof typeof ENDPOINT_LIFETIMES_MS, read: (member: unknown) => T | undefined) =>
    readKeyed(object[name], MAX_ENDPOINTS, member => readStamped(member, read, ENDPOINT_LIFETIMES_MS[name]))
  const said = json.readObject(object['alternatives'])
  const sets = KEPT_SET_NAMES.flatMap(name => {
    const set = readSet(said?.[name])
    return set === undefined ? [] : [[name, set] as const]
  })
  const estimates = readEstimates(object['estimates'])
  return {
    version: SNAPSHOT_VERSION,
    ...(networkChangedAt === undefined ? {} : { networkChangedAt }),
    facts: Object.fromEntries(facts),
    attempts: endpoints('attempts', readAttempt),
    connectMs: endpoints('connectMs', member => json.readNumber(member, 0, MAX_CONNECT_MS)),
    quic: endpoints('quic', readQuicReach),
    alternatives: Object.fromEntries(sets),
    http3: readKeyed(object['http3'], MAX_STATUSES, readStatus),
    ...(estimates === undefined ? {} : { estimates }),
  }
}

function readStamped<T>(
  member: unknown,
  read: (value: unknown) => T | undefined,
  lifetimeMs: number,
): Stamped<T> | undefined {
  const object = json.readObject(member)
  const at = json.readTime(object?.['at'])
  const until = json.readTime(object?.['expiresAt'])
  const value = read(object?.['value'])
  const source = json.readText(object?.['source'], MAX_KEY_CHARS)
  if (at === undefined || until === undefined || value === undefined || source === undefined) return undefined
  return { value, at, expiresAt: Math.min(until, at + lifetimeMs), source: brief(source) }
}

/** The members of an object that are right; the first so many of them. */
function readKeyed<T>(
  value: unknown,
  max: number,
  read: (member: unknown) => T | undefined,
): Readonly<Record<string, T>> {
  // Twice as many are looked at: some may have expired.
  const members = json.readMembers(value, 2 * max).flatMap(([key, raw]): [string, T][] => {
    const member = key === '' || key.length > MAX_KEY_CHARS ? undefined : read(raw)
    return member === undefined ? [] : [[key, member]]
  })
  return Object.fromEntries(members.slice(0, max))
}

function readAttempt(value: unknown): KeptAttempt | undefined {
  const object = json.readObject(value)
  const outcome = json.readOneOf(object?.['outcome'], ['connected', 'failed', 'overtaken'] as const)
  const error = json.readText(object?.['error'], MAX_KEY_CHARS)
  if (outcome === undefined) return undefined
  return error === undefined ? { outcome } : { outcome, error: brief(error) }
}

function readQuicReach(value: unknown): QuicReach | undefined {
  const object = json.readObject(value)
  const kind = json.readOneOf(object?.['kind'], ['versions', 'refused', 'silent'] as const)
  if (kind === undefined || kind !== 'versions') return kind === undefined ? undefined : { kind }
  const versions = json.readTexts(object?.['versions'], MAX_QUIC_VERSIONS, 16)
  return versions === undefined ? undefined : { kind, versions }
}

function readSet(value: unknown): KeptSet | undefined {
  const object = json.readObject(value)
  const at = json.readTime(object?.['at'])
  if (at === undefined) return undefined
  const latest = at + ALTERNATIVE_LIFETIMES_MS.max
  const list = json.readList(object?.['list'], MAX_ALTERNATIVES, member => readAlternative(member, latest))
  return list === undefined ? undefined : { at, list }
}

function readAlternative(value: unknown, latest: number): KeptAlternative | undefined {
  const object = json.readObject(value)
  const host = json.readText(object?.['host'], 253)
  const port = json.readInteger(object?.['port'], 1, 65_535)
  const source = json.readOneOf(object?.['source'], SOURCES)
  const expiresAt = json.readTime(object?.['expiresAt'])
  const addressHints = json.readTexts(object?.['addressHints'], 8, 45)
  if (host === undefined || port === undefined || source === undefined) return undefined
  if (expiresAt === undefined || addressHints === undefined) return undefined
  if (!isAuthority(alternativeKey({ host, port })) || host !== host.toLowerCase()) return undefined
  const persists = object?.['persists'] === true
  return { host, port, source, expiresAt: Math.min(expiresAt, latest), persists, addressHints }
}

function readStatus(value: unknown): Http3StatusSnapshot | undefined {
  const object = json.readObject(value)
  const name = json.readOneOf(object?.['name'], ['confirmed', 'broken', 'failedRecently'] as const)
  const at = json.readTime(object?.['at'])
  if (name === undefined || at === undefined) return undefined
  if (name === 'confirmed') return { name, at }
  const until = json.readTime(object?.['until'])
  const failures = json.readInteger(object?.['failures'], 1, MAX_FAILURES)
  const reason = json.readText(object?.['reason'], MAX_KEY_CHARS)
  if (until === undefined || failures === undefined || reason === undefined) return undefined
  return { name, at, until, failures, reason: brief(reason) }
}

function readEstimates(value: unknown): KeptEstimates | undefined {
  const object = json.readObject(value)
  const at = json.readTime(object?.['at'])
  const kept = boundedJson(object?.['value'])
  return at === undefined || kept === undefined ? undefined : { at, value: kept }
}

/** The value as a file would give it back. Undefined: it is none, or too large. */
export function boundedJson(value: unknown): unknown {
  try {
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined || text.length > MAX_ESTIMATES_CHARS) return undefined
    return JSON.parse(text) as unknown
  } catch {
    return undefined // it refers to itself, or throws when it is read
  }
}
