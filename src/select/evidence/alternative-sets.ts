import type { Protocol } from '../../base/http/protocol.ts'
import type { ServiceRecord } from '../../dns/records/https-rr.ts'
import type { AltSvcEntry } from './alt-svc.ts'
import { ALTERNATIVE_LIFETIMES_MS } from './evidence.ts'

/** What one kind of source says now. A newer one replaces all that it said before (RFC 7838 section 3). */
export interface AlternativeSet {
  /** When it said so, on the caller's monotonic clock. -Infinity: never. */
  readonly at: number
  /** In its order. */
  readonly list: readonly Alternative[]
}

export const NOTHING_SAID: AlternativeSet = { at: Number.NEGATIVE_INFINITY, list: [] }

/** An origin needs one, and two while it moves. */
export const MAX_ALTERNATIVES = 8
const MAX_ADDRESS_HINTS = 8

/** Advertised, but in a protocol that is not spoken to alternatives. */
export interface UnusedAlternative {
  readonly protocolId: string
  readonly host: string
  readonly port: number
  readonly expiresAt: number
}

/**
 * What an Alt-Svc value leaves. `host` is the origin's own, `ageSeconds` what its response spent in caches
 * (RFC 7838 3.1).
 */
export function advertised(
  entries: readonly AltSvcEntry[],
  {
    source,
    host,
    ageSeconds,
    now,
  }: { source: AlternativeSource; host: string; ageSeconds: number; now: number },
): { readonly set: AlternativeSet; readonly unused: readonly UnusedAlternative[] } {
  const list: Alternative[] = []
  const unused: UnusedAlternative[] = []
  for (const entry of entries) {
    const expiresAt = now + (entry.maxAgeSeconds - ageSeconds) * 1000
    if (expiresAt <= now) continue
    const place = { host: entry.host === '' ? host : entry.host, port: entry.port }
    if (entry.protocolId !== 'h3') unused.push({ protocolId: entry.protocolId, ...place, expiresAt })
    else list.push(alternative({ ...place, source, expiresAt, persists: entry.persists }, now))
  }
  return { set: { at: now, list: distinct(list) }, unused: unused.slice(0, MAX_ALTERNATIVES) }
}

/** What HTTPS records leave: those that speak h3, by priority (RFC 9460 section 2.4.1). */
export function recorded(
  records: readonly ServiceRecord[],
  { port, ttlSeconds, now }: { port: number; ttlSeconds: number; now: number },
): AlternativeSet {
  const expiresAt = now + Math.max(ttlSeconds * 1000, ALTERNATIVE_LIFETIMES_MS.serviceRecordsMin)
  const list = records
    .filter(({ alpn }) => alpn.includes('h3'))
    .sort((a, b) => a.priority - b.priority)
    .map(record => ({
      ...alternative(
        { host: record.target, port: record.port ?? port, source: 'https-record', expiresAt },
        now,
      ),
      addressHints: record.addressHints.slice(0, MAX_ADDRESS_HINTS),
    }))
  return { at: now, list: distinct(list) }
}

/** What was tried, or configured, and is not said by the origin itself. */
export function known(
  places: readonly Pick<Alternative, 'host' | 'port'>[],
  source: 'probe' | 'configuration',
  now: number,
): AlternativeSet {
  const isProbed = source === 'probe'
  const expiresAt = isProbed ? now + ALTERNATIVE_LIFETIMES_MS.probed : Number.POSITIVE_INFINITY
  const list = places.map(place => alternative({ ...place, source, expiresAt, persists: !isProbed }, now))
  return { at: now, list: distinct(list) }
}

/** What is left of it on another network (RFC 7838 2.2). */
export function persistent(set: AlternativeSet): AlternativeSet {
  return { at: set.at, list: set.list.filter(({ persists }) => persists) }
}

/**
 * All sets as one list, in their order and without what has expired. A place that several name stands where
 * the first of them has it, is good for as long as the longest, and has all that they hint at.
 */
export function merge(sets: readonly AlternativeSet[], now: number): readonly Alternative[] {
  const places = new Map<string, Alternative>()
  for (const { list } of sets) {
    for (const each of list) {
      if (each.expiresAt <= now) continue
      const key = alternativeKey(each)
      const first = places.get(key)
      if (first === undefined) {
        places.set(key, each)
        continue
      }
      const addressHints = [...new Set([...first.addressHints, ...each.addressHints])]
      places.set(key, {
        ...first,
        expiresAt: Math.max(first.expiresAt, each.expiresAt),
        addressHints: addressHints.slice(0, MAX_ADDRESS_HINTS),
      })
    }
  }
  return [...places.values()].slice(0, MAX_ALTERNATIVES)
}

function alternative(
  about: Pick<Alternative, 'host' | 'port' | 'source' | 'expiresAt'> & { persists?: boolean },
  now: number,
): Alternative {
  return { protocol: 'h3', persists: false, ...about, learnedAt: now, addressHints: [] }
}

/** The first of each place, and no more than are kept. */
function distinct(list: readonly Alternative[]): readonly Alternative[] {
  return merge([{ at: 0, list }], Number.NEGATIVE_INFINITY)
}

/** How an alternative became known. `configuration`: the origin may be spoken to in HTTP/3 only. */
export type AlternativeSource = 'alt-svc' | 'altsvc-frame' | 'https-record' | 'probe' | 'configuration'

/**
 * Another way to reach an origin (RFC 7838 section 2): a protocol at a host and a port. Its certificate must
 * cover the ORIGIN's name, whatever its own host is called.
 */
export interface Alternative {
  readonly protocol: Extract<Protocol, 'h3'>
  /** Lower case, no brackets, no dot at the end. The origin's own where nothing else was said. */
  readonly host: string
  readonly port: number
  readonly source: AlternativeSource
  /** On the caller's monotonic clock. */
  readonly learnedAt: number
  readonly expiresAt: number
  /** Survives a change of the network (RFC 7838 3.1 `persist=1`). */
  readonly persists: boolean
  /**
   * Addresses that came with it (ipv4hint, ipv6hint of RFC 9460), for when its host has not been resolved.
   */
  readonly addressHints: readonly string[]
}

/** `host:port`, IPv6 in brackets: names an alternative of an origin. */
export function alternativeKey({ host, port }: Pick<Alternative, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
