import type { MigrationCause, MigrationReport } from '../../base/events/migration-report.ts'
import type { MigrationTarget, UdpAddress } from '../engine.ts'

/** Why a connection moves, and what it knows of the path that it leaves. */
export interface Move {
  readonly cause: MigrationCause
  readonly because: string
  /** Those who have asked for it. */
  readonly requests: readonly number[]
  readonly target: MigrationTarget
  /** The path that the peer knows: where it sends to until it hears from another one. */
  readonly from: UdpAddress
  /** It is only suspected: the new path is opened beside it, and put away when it recovers. */
  readonly isSpare: boolean
  /** Nothing comes over `from`, or can be sent there: what is in flight on it is lost. */
  readonly isDead: boolean
  /** It cannot be gone back to. */
  readonly isGone: boolean
  /** The round trip of a path that is left because it is slow. */
  readonly slowRttMs: number | undefined
  /** Paths that it was moved to, over which nothing came. */
  readonly deadEnds: readonly UdpAddress[]
  /** How often it has failed so far. */
  readonly failures: number
}

/** `local` is the path in use: what the engine sends from. */
export type MigrationPhase =
  /** One path. Valid transitions: opening, stuck, ended. */
  | { readonly name: 'settled'; readonly local: UdpAddress }
  /**
   * A socket was asked for. Valid transitions: opening, validating, moved, arriving, waiting, settled, stuck,
   * ended.
   */
  | {
      readonly name: 'opening'
      readonly local: UdpAddress
      readonly move: Move
      readonly opening: number
      /** It is a spare that was put away, opened again at the same port. */
      readonly isReopened: boolean
      readonly deadline: number
    }
  /**
   * A challenge is out on `to`; everything else stays on the old path. Valid transitions: moved, waiting,
   * settled, stuck, ended.
   */
  | {
      readonly name: 'validating'
      readonly local: UdpAddress
      readonly move: Move
      readonly to: UdpAddress
      readonly sentAt: number
      readonly resendAt: number
      readonly deadline: number
    }
  /**
   * Everything is sent over the new path, and nothing has come there yet. Valid transitions: arriving,
   * waiting, settled, stuck, ended.
   */
  | {
      readonly name: 'moved'
      readonly local: UdpAddress
      readonly move: Move
      readonly isValidated: boolean
      /** When something last came over the old one since. */
      readonly oldHeardAt: number | undefined
      readonly resendAt: number
      readonly deadline: number
    }
  /**
   * Something has come over the new path; the old one is kept for late packets. `owed`: the move is reported
   * when stream bytes have moved as well. Valid transitions: arriving, settled, opening, stuck, ended.
   */
  | {
      readonly name: 'arriving'
      readonly local: UdpAddress
      readonly owed: Move | undefined
      readonly until: number
    }
  /**
   * No path answers, which looks like the network: tried again later. Valid transitions: opening, waiting,
   * arriving, settled, stuck, ended.
   */
  | { readonly name: 'waiting'; readonly local: UdpAddress; readonly move: Move; readonly resumeAt: number }
  /** No further move can be made. Valid transitions: stuck, ended. */
  | { readonly name: 'stuck'; readonly local: UdpAddress; readonly isPathDead: boolean }
  /** Valid transitions: none. */
  | { readonly name: 'ended'; readonly local: UdpAddress }

type PhaseName = MigrationPhase['name']

export const PHASE_TRANSITIONS: Readonly<Record<PhaseName, readonly PhaseName[]>> = {
  settled: ['opening', 'stuck', 'ended'],
  opening: ['opening', 'validating', 'moved', 'arriving', 'waiting', 'settled', 'stuck', 'ended'],
  validating: ['validating', 'moved', 'waiting', 'settled', 'stuck', 'ended'],
  moved: ['moved', 'arriving', 'waiting', 'settled', 'stuck', 'ended'],
  arriving: ['arriving', 'settled', 'opening', 'stuck', 'ended'],
  waiting: ['waiting', 'opening', 'arriving', 'settled', 'stuck', 'ended'],
  stuck: ['stuck', 'ended'],
  ended: [],
}

/** Throws when there is no such transition: a bug of ours. */
export function nextPhase(from: PhaseName, to: MigrationPhase): MigrationPhase {
  if (!PHASE_TRANSITIONS[from].includes(to.name)) {
    throw new Error(`a migration cannot go from ${from} to ${to.name}`)
  }
  return to
}

export function isSameAddress(a: UdpAddress, b: UdpAddress): boolean {
  return a === b || (a.port === b.port && a.host === b.host)
}

/** What the machine wants done, in order. */
export type MigrationAction =
  /** Open a socket to the same peer: onOpened or onOpenFailed with the same `opening` follows. */
  | {
      readonly type: 'openSocket'
      readonly opening: number
      readonly address: string | undefined
      readonly port: number | undefined
    }
  /** Send a PATH_CHALLENGE from there (again). When the engine refuses: onValidationFailed at once. */
  | { readonly type: 'validate'; readonly local: UdpAddress }
  /** Send everything from there. When the engine refuses: onMigrateFailed at once. */
  | { readonly type: 'migrate'; readonly local: UdpAddress }
  /** What is in flight on `from` is lost, and goes again over `to`. The socket of `from` may be gone. */
  | { readonly type: 'resend'; readonly from: UdpAddress; readonly to: UdpAddress }
  /** Put out something that must be acknowledged, on the path in use. */
  | { readonly type: 'ping' }
  | { readonly type: 'closeSocket'; readonly local: UdpAddress }
  /** `requests`: what onForced was given for those who wait for it. */
  | { readonly type: 'report'; readonly report: MigrationReport; readonly requests: readonly number[] }
  /** No move is possible: a new connection takes over. This one drains, or ends when its path is dead. */
  | { readonly type: 'redial'; readonly because: string; readonly isPathDead: boolean }
  /** Call onTimer after this; it replaces the one before. */
  | { readonly type: 'setTimer'; readonly delayMs: number }
  | { readonly type: 'clearTimer' }
