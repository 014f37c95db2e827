import { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { ExchangeController } from '../base/http/exchange.ts'
import type { Dismissal } from './replay-rules.ts'
import type { WatchedTry } from './watched-try.ts'

/**
 * The life of one exchange:
 *
 *     starting ──► waiting ◄──► sent ──► answering ──► aborted ──► done
 *
 * `dismissed` lies between `sent` and `waiting`. A lease that comes at once skips `waiting`. `aborted` can
 * be reached from every state with a connection, `done` from every other one.
 */
export type ExchangeState = Starting | Waiting | Sent | Dismissed | Answering | Aborted | Done

/**
 * It was dispatched at `since` and asks for its first connection: a lease that comes now was not waited
 * for. Valid transitions: waiting, sent, done.
 */
interface Starting {
  readonly kind: 'starting'
  readonly since: number
  readonly tried: undefined
}

/** It waits for a connection, for the first time or to be sent again. Valid transitions: sent, done. */
interface Waiting {
  readonly kind: 'waiting'
  readonly since: number
  /** The connection before, if there was one. */
  readonly tried: Try | undefined
}

/**
 * Its request is out, and the caller has seen nothing of an answer: it may be sent again. Valid
 * transitions: sent (over the connection of its second copy), dismissed, waiting, answering, aborted, done.
 */
interface Sent {
  readonly kind: 'sent'
  readonly tried: Try
}

/**
 * The answer only asks to send again, and is thrown away. Valid transitions: sent (a second copy was
 * answered), waiting, aborted, done.
 */
interface Dismissed {
  readonly kind: 'dismissed'
  readonly tried: Try
  readonly reason: Dismissal
  readonly error: TransportError
}

/** The caller has seen something of an answer: it is not sent again. Valid transitions: aborted, done. */
interface Answering {
  readonly kind: 'answering'
  readonly tried: Try
}

/** The caller gave up, and the connection has not ended the exchange yet. Valid transitions: done. */
interface Aborted {
  readonly kind: 'aborted'
  readonly tried: Try
  readonly error: TransportError
}

/** It has ended, and its handler is notified, or about to be. Valid transitions: none. */
interface Done {
  readonly kind: 'done'
  /** The connection that carried it last. */
  readonly tried: Try | undefined
  /** That connection was still its own. */
  readonly wasOut: boolean
}

/** Answers `next`; throws where it cannot follow. */
export function transition(state: ExchangeState, next: ExchangeState): ExchangeState {
  if (canFollow(state.kind, next.kind)) return next
  throw new TransportError('MM_INTERNAL', `an exchange that is ${state.kind} cannot become ${next.kind}`)
}

/** A switch, not a table, which costs a fifth of a microsecond more; it runs four times a request. */
function canFollow(from: ExchangeState['kind'], to: ExchangeState['kind']): boolean {
  switch (from) {
    case 'starting':
      return to === 'sent' || to === 'waiting' || to === 'done'
    case 'waiting':
      return to === 'sent' || to === 'done'
    case 'sent':
      return to !== 'starting'
    case 'dismissed':
      return to === 'waiting' || to === 'done' || to === 'sent' || to === 'aborted'
    case 'answering':
      return to === 'done' || to === 'aborted'
    case 'aborted':
      return to === 'done'
    default:
      return false
  }
}

/** One lease of an exchange, with what came of it so far. DispatchedExchange alone writes it. */
export class Try {
  readonly connection: Connection
  /** The connection had carried an exchange before. */
  readonly reused: boolean
  readonly leasedAt: number
  /** When its request was sent first: before `leasedAt`, where this is a second copy that was answered. */
  readonly sentAt: number
  /** Undefined until the connection has taken the request. */
  controller: ExchangeController | undefined
  /** Until it is answered. Undefined: nothing follows from how long that takes. */
  watched: WatchedTry | undefined

  constructor(connection: Connection, reused: boolean, leasedAt: number, sentAt = leasedAt) {
    this.connection = connection
    this.reused = reused
    this.leasedAt = leasedAt
    this.sentAt = sentAt
    this.controller = undefined
    this.watched = undefined
  }
}

/** It has no connection, and is not over. */
export function isWaiting(
  state: ExchangeState,
): state is Extract<ExchangeState, { kind: 'starting' | 'waiting' }> {
  return state.kind === 'starting' || state.kind === 'waiting'
}

/** The lease that is under way; undefined: it waits, or has ended. */
export function currentTry(state: ExchangeState): Try | undefined {
  return isWaiting(state) || state.kind === 'done' ? undefined : state.tried
}

/** The caller saw something of an answer, or gave up. */
export function isCommitted({ kind }: ExchangeState): boolean {
  return kind === 'answering' || kind === 'aborted' || kind === 'done'
}

/** Of the connection that carries it, or carried it at its end. */
export function controllerOf(state: ExchangeState): ExchangeController | undefined {
  if (state.kind === 'done') return state.wasOut ? state.tried?.controller : undefined
  return currentTry(state)?.controller
}
