import type { Protocol } from '../../base/http/protocol.ts'

/** By what a handshake, or a part of it, is avoided. The words are metric labels, in snake case. */
export const HANDSHAKE_MEANS = ['reuse', 'coalescing', 'resumption', 'fastOpen', 'earlyData'] as const
export type HandshakeMeans = (typeof HANDSHAKE_MEANS)[number]

/** What something about handshakes took, or spared. */
export interface HandshakeAmount {
  /** In which nothing of a request could travel. */
  readonly roundTrips: number
  /** For which a request had to wait. */
  readonly seconds: number
  /**
   * Sent and received. Undefined: nobody measured it (over TCP that takes the native calls), or it is nothing
   * that this means spares.
   */
  readonly bytes: number | undefined
  /** CPU of this process. Undefined as for `bytes`. */
  readonly cpuMs: number | undefined
}

/**
 * The handshakes of an origin whose connections stood in the end; of those that failed nothing is known but
 * their time.
 */
interface HandshakesPaid extends HandshakeAmount {
  /** By what they turned out to be. */
  readonly byKind: {
    readonly full: number
    readonly resumed: number
    readonly earlyData: number
    readonly cleartext: number
  }
}

export interface HandshakesAvoided extends HandshakeAmount {
  /** How often: exchanges for `reuse`, handshakes for the others (for `coalescing`, those spared). */
  readonly count: number
}

/** What was avoided in the last 24 hours, or since the origin is known to the transport if that is less. */
export interface SavedLately {
  readonly savedSeconds: number
  /** How long that was: 86400 at most. */
  readonly windowSeconds: number
  /**
   * The rate: `savedSeconds` for each day, if it went on like that. Says little while the window is short.
   */
  readonly perDay: number
}

/** One open connection. */
export interface ConnectionHandshake {
  readonly id: number
  readonly protocol: Protocol
  readonly paid: HandshakeAmount
  /**
   * By the means that its own handshake had, and by its reuse until now, at the price that a handshake has
   * now.
   */
  readonly avoided: Readonly<Partial<Record<HandshakeMeans, HandshakeAmount>>>
}

/** What the handshakes of one origin cost, and what was avoided, since the transport got to know it. */
export interface HandshakeFigures {
  readonly paid: HandshakesPaid
  readonly avoided: Readonly<Record<HandshakeMeans, HandshakesAvoided>>
  readonly lastDay: SavedLately
}
