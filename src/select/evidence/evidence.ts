/** Something that was seen: what, when, how we know, and until when we believe it. */
export interface Evidence<T> {
  readonly value: T
  /** On the caller's monotonic clock, as `expiresAt`. */
  readonly at: number
  readonly source: string
  readonly expiresAt: number
}

/** Something known, for people: `explain` prints it. */
export interface KnownFact {
  readonly fact: string
  readonly evidence: string
}

/** How much a new sample moves an average: as TCP's smoothed RTT (RFC 6298 section 2). */
const EWMA_WEIGHT = 1 / 8
/** What a peer or an error wrote is kept for people, not for the record. */
const MAX_SOURCE_CHARS = 200

/** The average with one more sample, weighted towards the present. */
export function average(before: Evidence<number> | undefined, sample: number): number {
  return before === undefined ? sample : before.value + EWMA_WEIGHT * (sample - before.value)
}

/** So much of a text as is kept of it. */
export function brief(text: string): string {
  return text.length <= MAX_SOURCE_CHARS ? text : `${text.slice(0, MAX_SOURCE_CHARS - 1)}…`
}

/** How long ago, in the largest unit that fits. */
export function age(ms: number): string {
  return ms < 1000 ? 'just now' : `${span(ms)} ago`
}

/** A duration in the largest unit that fits, rounded down; under a second in ms. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.floor(ms))} ms`
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`
  return `${Math.floor(ms / 3_600_000)} h`
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * How long each fact is believed after it was seen last. What expired is unknown: the next connection finds
 * it out, at the cost of one round trip or one probe; too long a belief costs a wrong choice.
 */
export const FACT_LIFETIMES_MS = {
  // What an origin's software does changes when somebody deploys. Each connection says it again, so that a
  // busy origin's never expires.
  protocol: 7 * DAY,
  tcpProtocol: 7 * DAY,
  tlsVersion: 7 * DAY,
  resumption: 7 * DAY,
  // Settings are tuned more often than software is changed, and each connection brings them at its start.
  capacity: DAY,
  keepAlive: DAY,
  extendedConnect: DAY,
  webTransport: DAY,
  idleHorizon: DAY,
  // A pool follows its demand within seconds: what it was is good for a restart.
  demand: 10 * MINUTE,
  // RFC 8336 2.3: an origin set belongs to a connection. Long enough for people to see it.
  originSet: HOUR,
  // The resolver has the time to live; here they are for people.
  addresses: HOUR,
  lastFailure: 10 * MINUTE,
  // Of the path. It changes without notice, but its round trip is mostly distance.
  connectMs: DAY,
  tlsMs: DAY,
  quicMs: DAY,
  tcpRoundTripMs: DAY,
  quicRoundTripMs: DAY,
  // Loss comes and goes with the hour (busy links), unlike distance.
  tcpLossRatio: HOUR,
  quicLossRatio: HOUR,
  // What only a probe looks at. It looks again before this (select.probeIntervalMs, doubled up to a day).
  tlsVersions: 2 * DAY,
  alpn: 2 * DAY,
  tickets: 2 * DAY,
  fastOpen: 2 * DAY,
  // The answer's own time to live is shorter, as a rule; this is the cap.
  serviceRecords: DAY,
} as const satisfies Readonly<Record<string, number>>

/** Of a single address. */
export const ENDPOINT_LIFETIMES_MS = {
  // plan.ts makes use of the first minute; the rest is for people.
  attempts: 10 * MINUTE,
  connectMs: DAY,
  // Firewalls change seldom, but silence may have been a lost packet.
  quic: DAY,
} as const

export const ALTERNATIVE_LIFETIMES_MS = {
  // Nobody promised that it stays. A connection over it brings Alt-Svc, as a rule, and a probe repeats it.
  probed: DAY,
  // A record is evidence that HTTP/3 is spoken, which stays true for longer than the seconds for which
  // balancers let addresses live: else it would come and go between two requests.
  serviceRecordsMin: MINUTE,
  // No source is believed for longer; alt-svc.ts has the same bound.
  max: 30 * DAY,
} as const

/**
 * A status of HTTP/3 of which nothing was reported for so long is none. Longer than `select.brokenMaxMs` can
 * be by default (two days).
 */
export const STATUS_LIFETIME_MS = 30 * DAY
/** Estimates of lanes say how old they are; this is only when they leave the file. */
export const ESTIMATES_LIFETIME_MS = 7 * DAY
