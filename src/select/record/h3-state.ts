import type { Http3StatusName } from '../../base/events/observer.ts'

/**
 * What is thought of HTTP/3 to one alternative of an origin.
 *
 *     pending ──► confirmed ──► broken ──(until)──► failedRecently ──► confirmed, broken
 *        └──────────────────────▲
 *
 * The models are Envoy's http3_status_tracker and Chromium's broken_alternative_services. HTTP/3 is blamed
 * only when it failed AND TCP worked: a failure is held open until TCP is heard of, in either order, as long
 * as both lie within BLAME_WINDOW_MS. An origin that is down altogether is no reason to leave HTTP/3 alone. A
 * change of the network voids everything, as in Chromium: UDP may be let through here and swallowed there.
 */
export type Http3State = Pending | Confirmed | Broken | FailedRecently

/** Not tried on this network, or tried without a verdict. Valid transitions: pending, confirmed, broken. */
interface Pending {
  readonly kind: 'pending'
}

/** Worked last. Valid transitions: pending (the network changed), broken, confirmed (a response came). */
interface Confirmed {
  readonly kind: 'confirmed'
  /**
   * In a row, before the last handshake; a response takes them back. A way that lets handshakes through and
   * nothing else would otherwise be tried every `brokenBaseMs` for ever.
   */
  readonly failures: number
}

/**
 * Left alone. Valid transitions: failedRecently (`until` passed), confirmed (a connection came late), pending
 * (the network changed).
 */
interface Broken extends Failures {
  readonly kind: 'broken'
  readonly until: number
}

/**
 * It failed, and may be tried again: once at a time. Valid transitions: failedRecently (a trial began or
 * ended), confirmed, broken, pending.
 */
interface FailedRecently extends Failures {
  readonly kind: 'failedRecently'
  /** When the trial that is under way began. */
  readonly trialSince: number | undefined
}

interface Failures {
  /** In a row. */
  readonly failures: number
  /** Of the last one. */
  readonly reason: string
  readonly failedAt: number
}

/** What is not in it is a defect of ours. */
export const VALID_TRANSITIONS: Readonly<Record<Http3StatusName, readonly Http3StatusName[]>> = {
  pending: ['pending', 'confirmed', 'broken'],
  confirmed: ['confirmed', 'pending', 'broken'],
  broken: ['failedRecently', 'confirmed', 'pending'],
  failedRecently: ['failedRecently', 'confirmed', 'broken', 'pending'],
}

/**
 * A failure of HTTP/3 and a success of TCP speak of the same moment when no more than this lies between them.
 */
export const BLAME_WINDOW_MS = 10_000
/**
 * A trial of which nothing was heard for so long is given up for lost, so that no mistake of a caller leaves
 * HTTP/3 alone for ever.
 */
const TRIAL_MAX_MS = 60_000

/** Whether a trial is under way. */
export function hasTrial({ trialSince }: FailedRecently, now: number): boolean {
  return trialSince !== undefined && now - trialSince < TRIAL_MAX_MS
}
