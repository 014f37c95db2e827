import type { Http3StatusName } from '../../base/events/observer.ts'
import type { ServiceRecord } from '../../dns/records/https-rr.ts'
import { Http3Status, type Http3StatusOptions } from '../record/h3-status.ts'
import { type AltSvcHeader, MAX_ALT_SVC_CHARS, parseAltSvc } from './alt-svc.ts'
import {
  type Alternative,
  type AlternativeSet,
  advertised,
  alternativeKey,
  known,
  merge,
  NOTHING_SAID,
  persistent,
  recorded,
  type UnusedAlternative,
} from './alternative-sets.ts'
import { brief } from './evidence.ts'

/**
 * Where HTTP/3 would go, and what is thought of it there. `alternative` and `status` are undefined together:
 * nothing says that it is spoken.
 */
export interface Http3Prospect {
  readonly alternative: Alternative | undefined
  readonly status: Http3StatusName | undefined
  /** For people. */
  readonly because: string
}

const NO_PROSPECT: Http3Prospect = {
  alternative: undefined,
  status: undefined,
  because: 'nothing says that the origin speaks it',
}

/** An Alt-Svc value that was not taken. */
export interface RejectedAltSvc {
  readonly value: string
  readonly because: string
  readonly at: number
}

export interface AlternativesOptions extends Http3StatusOptions {
  /** The origin's, for alternatives that name none. */
  readonly host: string
  readonly port: number
}

interface Ranked {
  readonly alternative: Alternative
  readonly status: Http3Status
}

const RANKS: Readonly<Record<Http3StatusName, number>> = {
  confirmed: 0,
  pending: 1,
  failedRecently: 2,
  broken: 3,
}

/** By what said them, in the order in which they are liked. The names are those in a snapshot. */
const SET_NAMES = ['configured', 'advertised', 'serviceRecords', 'probed'] as const
export type SetName = (typeof SET_NAMES)[number]

/**
 * More than there can be alternatives, so that one that went away and comes again finds what was thought of
 * it.
 */
export const MAX_STATUSES = 16
/** The same value again within this changes nothing that matters: most origins send it with each response. */
const REPEAT_MS = 1000

/**
 * The ways to reach an origin over HTTP/3. Each source replaces what it said before; what is thought of
 * HTTP/3 to a place (Http3Status) outlives the advertisement, as in Chromium: a broken one is not tried again
 * because a header names it once more.
 */
export class Alternatives {
  readonly #options: AlternativesOptions
  #sets: Readonly<Record<SetName, AlternativeSet>> = {
    configured: NOTHING_SAID,
    advertised: NOTHING_SAID,
    serviceRecords: NOTHING_SAID,
    probed: NOTHING_SAID,
  }
  #unused: readonly UnusedAlternative[] = []
  #rejected: RejectedAltSvc | undefined
  #lastValue: string | undefined
  #lastAt = Number.NEGATIVE_INFINITY
  /** By alternativeKey, the oldest first. */
  readonly #statuses = new Map<string, Http3Status>()
  /**
   * A place that is advertised by the first response was reached over TCP before anything was known of it.
   */
  #tcpWorkedAt = Number.NEGATIVE_INFINITY
  /** All sets in one, with their statuses; good until the first of them expires. */
  #merged: readonly Ranked[] = []
  #usable: readonly Alternative[] = []
  #mergedUntil = Number.NEGATIVE_INFINITY

  constructor(options: AlternativesOptions) {
    this.#options = options
  }

  /** What a source says now, expired ones included. */
  set(name: SetName): AlternativeSet {
    return this.#sets[name]
  }

  /** Some source has been asked, or has spoken by itself, whatever it said. */
  get hasAnySource(): boolean {
    return SET_NAMES.some(name => this.#sets[name].at !== NOTHING_SAID.at)
  }

  /** By alternativeKey. */
  get statuses(): ReadonlyMap<string, Http3Status> {
    return this.#statuses
  }

  /** The last Alt-Svc value that was not taken, if none was since. */
  get rejected(): RejectedAltSvc | undefined {
    return this.#rejected
  }

  /** Best first, at most 8. The same array for as long as nothing changes. */
  usable(now: number): readonly Alternative[] {
    this.#refresh(now)
    return this.#usable
  }

  /** Advertised, but in protocols that are not spoken to alternatives; for people. */
  unused(now: number): readonly UnusedAlternative[] {
    return this.#unused.filter(({ expiresAt }) => expiresAt > now)
  }

  /** What is thought of HTTP/3 to a place, by its alternativeKey. */
  status(key: string): Http3Status {
    const known = this.#statuses.get(key)
    if (known !== undefined) return known
    const status = new Http3Status(this.#options)
    status.onTcpWorked(this.#tcpWorkedAt)
    this.#statuses.set(key, status)
    this.#forgetStatuses(key)
    return status
  }

  /**
   * Where the next connection over HTTP/3 would go: the first of those that are thought of best (RANKS). It
   * may be a broken one.
   */
  http3(now: number): Http3Prospect {
    this.#refresh(now)
    let best: Ranked | undefined
    let bestRank = Number.POSITIVE_INFINITY
    for (const each of this.#merged) {
      const rank = RANKS[each.status.name(now)]
      if (rank >= bestRank) continue
      best = each
      bestRank = rank
    }
    if (best === undefined) return NO_PROSPECT
    const { alternative, status } = best
    return { alternative, status: status.name(now), because: status.because(now) }
  }

  /**
   * When http3() may say something else though nothing happens: something expires, or is not broken any more.
   * Infinity: never.
   */
  changesAt(now: number): number {
    this.#refresh(now)
    let at = this.#mergedUntil
    for (const { status } of this.#merged)
      if (status.isBroken(now)) at = Math.min(at, status.brokenUntil ?? at)
    return at
  }

  /** The origin was reached over TCP. */
  onTcpWorked(now: number): void {
    this.#tcpWorkedAt = now
    for (const status of this.#statuses.values()) status.onTcpWorked(now)
  }

  /**
   * A response (`ageSeconds`: its Age field, else 0) or an ALTSVC frame had this value. What it says replaces
   * all that Alt-Svc said before; a value that says nothing is kept for `rejected`.
   *
   * @returns whether the places that are advertised are others than before
   */
  onAltSvc(value: string, source: 'alt-svc' | 'altsvc-frame', ageSeconds: number, now: number): boolean {
    if (value === this.#lastValue && now - this.#lastAt < REPEAT_MS) return false
    this.#lastValue = value.length > MAX_ALT_SVC_CHARS ? undefined : value
    this.#lastAt = now
    const header = parseAltSvc(value)
    if (header === undefined) {
      const isLong = value.length > MAX_ALT_SVC_CHARS
      const because = isLong
        ? `longer than ${MAX_ALT_SVC_CHARS} characters`
        : 'no alternative in it that can be read'
      this.#rejected = { value: brief(value), because, at: now }
      return false
    }
    this.#rejected = undefined
    const { set, unused } = this.#read(header, source, ageSeconds, now)
    this.#unused = unused
    return this.#replace('advertised', set)
  }

  /** What the DNS says, and for how long; an empty list where it has none. Returns as onAltSvc. */
  onServiceRecords(records: readonly ServiceRecord[], ttlSeconds: number, now: number): boolean {
    return this.#replace('serviceRecords', recorded(records, { port: this.#options.port, ttlSeconds, now }))
  }

  /**
   * A probe found that HTTP/3 is spoken there: everything that the last probe found, or nothing. Returns as
   * onAltSvc.
   */
  onProbed(places: readonly Pick<Alternative, 'host' | 'port'>[], now: number): boolean {
    return this.#replace('probed', known(places, 'probe', now))
  }

  /** Somebody who knows says so. Not kept beyond the process. Returns as onAltSvc. */
  onConfigured(places: readonly Pick<Alternative, 'host' | 'port'>[], now: number): boolean {
    return this.#replace('configured', known(places, 'configuration', now))
  }

  /**
   * Alternatives stay only where they persist (RFC 7838 2.2), and everything that was thought of HTTP/3 is
   * void.
   */
  onNetworkChanged(now: number): void {
    this.#lastValue = undefined
    this.#tcpWorkedAt = Number.NEGATIVE_INFINITY
    for (const name of SET_NAMES) this.#replace(name, persistent(this.#sets[name]))
    for (const status of this.#statuses.values()) status.onNetworkChanged(now)
  }

  /** What was kept, in the order in which it was learned: it takes the place of what is there of the same. */
  restore(
    sets: Partial<Record<SetName, AlternativeSet>>,
    statuses: Iterable<readonly [string, Http3Status]>,
  ): void {
    for (const [key, status] of statuses) this.#statuses.set(key, status)
    this.#mergedUntil = Number.NEGATIVE_INFINITY
    for (const name of SET_NAMES) {
      const set = sets[name]
      if (set !== undefined) this.#replace(name, set)
    }
  }

  #read(
    header: AltSvcHeader,
    source: 'alt-svc' | 'altsvc-frame',
    ageSeconds: number,
    now: number,
  ): ReturnType<typeof advertised> {
    const entries = header.clears ? [] : header.alternatives
    return advertised(entries, { source, host: this.#options.host, ageSeconds, now })
  }

  #replace(name: SetName, set: AlternativeSet): boolean {
    const before = this.#sets[name].list.map(alternativeKey).join(' ')
    this.#sets = { ...this.#sets, [name]: set }
    this.#mergedUntil = Number.NEGATIVE_INFINITY
    return set.list.map(alternativeKey).join(' ') !== before
  }

  #refresh(now: number): void {
    if (now < this.#mergedUntil) return
    const sets = SET_NAMES.map(name => this.#sets[name])
    const usable = merge(sets, now)
    this.#usable = usable // before the statuses, of which the oldest may have to go
    this.#merged = usable.map(alternative => ({
      alternative,
      status: this.status(alternativeKey(alternative)),
    }))
    this.#mergedUntil = Math.min(...usable.map(({ expiresAt }) => expiresAt))
  }

  /** The oldest go, but none that is in use. */
  #forgetStatuses(newest: string): void {
    if (this.#statuses.size <= MAX_STATUSES) return
    const inUse = new Set([...this.#usable.map(alternativeKey), newest])
    for (const key of this.#statuses.keys()) {
      if (this.#statuses.size <= MAX_STATUSES) return
      if (!inUse.has(key)) this.#statuses.delete(key)
    }
  }
}
