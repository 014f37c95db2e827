import { TransportError } from '../../base/errors.ts'
import type { Http3StatusName } from '../../base/events/observer.ts'
import { age, brief, span } from '../evidence/evidence.ts'

export interface Http3StatusOptions {
  readonly brokenBaseMs: number
  readonly brokenMaxMs: number
}

/** Plain JSON. `pending` is not kept: it is what nothing kept means. */
export type Http3StatusSnapshot =
  | { readonly name: 'confirmed'; readonly at: number }
  | {
      readonly name: 'broken' | 'failedRecently'
      /** Of the last change; times are on the clock that the caller converts to. */
      readonly at: number
      /** Broken until then. */
      readonly until: number
      readonly failures: number
      readonly reason: string
    }

/** Failures are counted so far: 2 ** 64 times any base is beyond any cap. */
export const MAX_FAILURES = 64

/**
 * HTTP/3 to one alternative of an origin: notified of what happened, asked what may be done. Http3State has
 * the states and the reasons.
 */
export class Http3Status {
  readonly #options: Http3StatusOptions
  #state: Http3State = { kind: 'pending' }
  /** When there was the last news. */
  #at = Number.NEGATIVE_INFINITY
  #workedAt = Number.NEGATIVE_INFINITY
  /** A failure for which nobody is blamed yet. */
  #openFailure: { readonly reason: string; readonly at: number } | undefined
  #tcpWorkedAt = Number.NEGATIVE_INFINITY
  #networkChangedAt: number | undefined

  constructor(options: Http3StatusOptions) {
    this.#options = options
  }

  /**
   * Goes on from what was kept. `offsetMs` is what the snapshot's clock is ahead of the caller's. However
   * long it was broken for, from now on it is for no longer than `brokenMaxMs`.
   */
  static restore(
    options: Http3StatusOptions,
    snapshot: Http3StatusSnapshot,
    offsetMs: number,
    now: number,
  ): Http3Status {
    const status = new Http3Status(options)
    const at = snapshot.at - offsetMs
    status.#at = at
    if (snapshot.name === 'confirmed') {
      status.#workedAt = at
      status.#move({ kind: 'confirmed', failures: 0 })
      return status
    }
    const { failures, reason } = snapshot
    const until = Math.min(snapshot.until - offsetMs, now + options.brokenMaxMs)
    status.#move({ kind: 'broken', failures, reason, failedAt: at, until })
    status.#settle(now)
    return status
  }

  /** Until when it is, or was last, left alone. Undefined: it is not broken, and was not since it worked. */
  get brokenUntil(): number | undefined {
    return this.#state.kind === 'broken' ? this.#state.until : undefined
  }

  /** When there was the last news. -Infinity: never. */
  get changedAt(): number {
    return this.#at
  }

  name(now: number): Http3StatusName {
    const { kind } = this.#state
    return kind === 'broken' && !this.isBroken(now) ? 'failedRecently' : kind
  }

  isBroken(now: number): boolean {
    return this.#state.kind === 'broken' && now < this.#state.until
  }

  /** Whether a connection may be made. After failures it is a trial: onTrialStarted belongs to it. */
  mayTry(now: number): boolean {
    const state = this.#state
    if (state.kind === 'broken') return now >= state.until
    return state.kind !== 'failedRecently' || !hasTrial(state, now)
  }

  /**
   * Early data goes where HTTP/3 worked last, and nothing since speaks against it: what is lost in a black
   * hole is lost for a whole time-out.
   */
  mayUseEarlyData(now: number): boolean {
    const state = this.#state
    if (state.kind !== 'confirmed' || state.failures > 0) return false
    return this.#openFailure === undefined || now - this.#openFailure.at > BLAME_WINDOW_MS
  }

  /**
   * A handshake over HTTP/3 was done. It is used again, but the failures before still count until a response
   * comes: see Confirmed.
   */
  onHttp3Connected(now: number): void {
    this.#onWorked(now, this.#state.kind === 'pending' ? 0 : this.#state.failures)
  }

  /** A response came over HTTP/3: everything before is forgotten. */
  onHttp3Worked(now: number): void {
    this.#onWorked(now, 0)
  }

  /** HTTP/3 gave no connection, or no answer on one. The reason is for people. */
  onHttp3Failed(reason: string, now: number): void {
    this.#settle(now)
    const state = this.#state
    if (state.kind === 'broken') return // one more of the same race
    if (state.kind === 'failedRecently' && hasTrial(state, now))
      this.#move({ ...state, trialSince: undefined })
    this.#openFailure = { reason: brief(reason), at: now }
    this.#judge(now)
  }

  /** The same origin was reached over TCP. */
  onTcpWorked(now: number): void {
    this.#tcpWorkedAt = now
    this.#settle(now)
    this.#judge(now)
  }

  /**
   * Throws MM_INTERNAL when it is broken, or when a trial is under way; see mayTry. Before the first failure
   * nothing is a trial.
   */
  onTrialStarted(now: number): void {
    this.#settle(now)
    const state = this.#state
    if (!this.mayTry(now)) {
      throw new TransportError('MM_INTERNAL', `http3 status: no trial while ${this.because(now)}`)
    }
    if (state.kind === 'failedRecently') this.#move({ ...state, trialSince: now })
  }

  /** The trial ended without a verdict: it was cancelled, or the failure was ours. */
  onTrialAbandoned(now: number): void {
    this.#settle(now)
    if (this.#state.kind === 'failedRecently') this.#move({ ...this.#state, trialSince: undefined })
  }

  /**
   * Chromium's OnDefaultNetworkChanged: what was broken is not, and the count begins anew. What worked has to
   * show it again.
   */
  onNetworkChanged(now: number): void {
    this.#openFailure = undefined
    this.#tcpWorkedAt = Number.NEGATIVE_INFINITY
    if (this.#state.kind === 'pending') return
    this.#at = now
    this.#networkChangedAt = now
    this.#move({ kind: 'pending' })
  }

  /** For people. */
  because(now: number): string {
    const state = this.#state
    const open = this.#openFailure
    if (open !== undefined && (state.kind === 'pending' || state.kind === 'confirmed')) {
      return `failed ${age(now - open.at)}: ${open.reason}; not blamed, since TCP was not seen to work then`
    }
    if (state.kind === 'confirmed') return `worked ${age(now - this.#workedAt)}`
    if (state.kind === 'pending') {
      const changed = this.#networkChangedAt
      return changed === undefined
        ? 'not tried yet'
        : `not tried since the network changed ${age(now - changed)}`
    }
    const { failures, reason, failedAt } = state
    const times = failures === 1 ? '1 failure' : `${failures} failures`
    if (this.isBroken(now)) return `broken for another ${span(this.#leftMs(now))} after ${times}: ${reason}`
    const next =
      state.kind === 'failedRecently' && hasTrial(state, now) ? 'a trial is under way' : 'may be tried again'
    return `${next} after ${times}, the last ${age(now - failedAt)}: ${reason}`
  }

  /**
   * What is to be kept. `offsetMs` is what the snapshot's clock is ahead of the caller's. Undefined: nothing
   * is known.
   */
  snapshot(offsetMs: number, now: number): Http3StatusSnapshot | undefined {
    const state = this.#state
    const at = Math.round(this.#at + offsetMs)
    if (state.kind === 'pending') return undefined
    if (state.kind === 'confirmed') return { name: 'confirmed', at }
    const { failures, reason } = state
    const isBroken = state.kind === 'broken' && now < state.until
    if (!isBroken) return { name: 'failedRecently', at, until: at, failures, reason }
    return { name: 'broken', at, until: Math.round(state.until + offsetMs), failures, reason }
  }

  #leftMs(now: number): number {
    return this.#state.kind === 'broken' ? this.#state.until - now : 0
  }

  #onWorked(now: number, failures: number): void {
    this.#at = now
    this.#workedAt = now
    this.#openFailure = undefined
    this.#networkChangedAt = undefined
    const state = this.#state
    if (state.kind !== 'confirmed' || state.failures !== failures) this.#move({ kind: 'confirmed', failures })
  }

  /** HTTP/3 failed and TCP worked, both just now: it is HTTP/3's fault. */
  #judge(now: number): void {
    const open = this.#openFailure
    if (open === undefined || Math.abs(open.at - this.#tcpWorkedAt) > BLAME_WINDOW_MS) return
    const before = this.#state.kind === 'pending' ? 0 : this.#state.failures
    const failures = Math.min(before + 1, MAX_FAILURES)
    const { brokenBaseMs, brokenMaxMs } = this.#options
    const until = now + Math.min(brokenBaseMs * 2 ** (failures - 1), brokenMaxMs)
    this.#at = now
    this.#openFailure = undefined
    this.#move({ kind: 'broken', failures, reason: open.reason, failedAt: open.at, until })
  }

  /** Time passed. */
  #settle(now: number): void {
    const state = this.#state
    if (state.kind !== 'broken' || now < state.until) return
    const { failures, reason, failedAt } = state
    this.#move({ kind: 'failedRecently', failures, reason, failedAt, trialSince: undefined })
  }

  /** The one writer of the state. */
  #move(next: Http3State): void {
    if (!VALID_TRANSITIONS[this.#state.kind].includes(next.kind)) {
      throw new TransportError(
        'MM_INTERNAL',
        `http3 status: illegal transition of ${this.#state.kind} to ${next.kind}`,
      )
    }
    this.#state = next
  }
}

/**
 * What is thought of HTTP/3 to one alternative of an origin.
 *
 *     pending ──► confirmed ──► broken ──(until)──► failedRecently ──► confirmed, broken
 *        └──────────────────────▲
 *
 * The models are Envoy's http3_status_tracker and Chromium's broken_alternative_services. HTTP/3 is blamed
 * only when it failed AND TCP worked: a failure is held open until TCP is known, in either order, as long
 * as both lie within BLAME_WINDOW_MS. An origin that is down altogether is no reason to leave HTTP/3 alone. A
 * change of the network voids everything, as in Chromium: UDP may be let through here and swallowed there.
 */
type Http3State = Pending | Confirmed | Broken | FailedRecently

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
const VALID_TRANSITIONS: Readonly<Record<Http3StatusName, readonly Http3StatusName[]>> = {
  pending: ['pending', 'confirmed', 'broken'],
  confirmed: ['confirmed', 'pending', 'broken'],
  broken: ['failedRecently', 'confirmed', 'pending'],
  failedRecently: ['failedRecently', 'confirmed', 'broken', 'pending'],
}

/**
 * A failure of HTTP/3 and a success of TCP speak of the same moment when no more than this lies between them.
 */
const BLAME_WINDOW_MS = 10_000
/**
 * A trial of which nothing was reported for so long is given up for lost, so that no mistake of a caller
 * leaves HTTP/3 alone for ever.
 */
const TRIAL_MAX_MS = 60_000

/** Whether a trial is under way. */
function hasTrial({ trialSince }: FailedRecently, now: number): boolean {
  return trialSince !== undefined && now - trialSince < TRIAL_MAX_MS
}
