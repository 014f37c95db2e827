/**
 * What one direction of a path does to what passes it. Everything random is drawn from a seed: the same
 * traffic meets the same fate again.
 */
export interface Conditions {
  /** One way. Default 0. */
  readonly delayMs?: number
  /** Up to so much more, evenly drawn; order is kept unless `reorderRate` says otherwise. Default 0. */
  readonly jitterMs?: number
  /** Default: no limit. */
  readonly bytesPerSecond?: number
  /**
   * What may wait for its turn at that rate; more is lost (UDP), or held back from its sender (TCP). Default
   * 256 KiB.
   */
  readonly queueBytes?: number
  /** Share of packets, 0 to 1, each by itself. Default 0. */
  readonly lossRate?: number
  /**
   * Losses in clumps (Gilbert, 1960; Elliott, 1963): a good and a bad state, what is lost in each, and how
   * often each is left.
   */
  readonly bursts?: LossBursts
  /**
   * Share of datagrams that are held back by `reorderDelayMs` (default: twice the delay), so that later ones
   * overtake them. UDP only.
   */
  readonly reorderRate?: number
  readonly reorderDelayMs?: number
  /** Share of datagrams that come twice. UDP only. */
  readonly duplicateRate?: number
  /** Nothing passes, and nobody is notified. */
  readonly isBlackHole?: boolean
}

/** Which direction something travels in. */
export type Direction = 'toServer' | 'toClient'

/** What both directions of a path do; most paths do not do the same in both. */
export type PathConditions = Readonly<Record<Direction, Conditions>>

export const DEFAULT_QUEUE_BYTES = 262_144

export interface LossBursts {
  /** Chance, before each packet, to go from the good state to the bad one, and back. */
  readonly enterRate: number
  readonly leaveRate: number
  /** Share of packets that the bad state loses. Default 1. */
  readonly lossRate?: number
}

/**
 * Throws a RangeError that names the first field which no path can have: a wrong figure would make a wrong
 * result, and say nothing.
 */
export function checkConditions(conditions: Conditions): void {
  const { bursts } = conditions
  const shares = {
    lossRate: conditions.lossRate,
    reorderRate: conditions.reorderRate,
    duplicateRate: conditions.duplicateRate,
    'bursts.enterRate': bursts?.enterRate,
    'bursts.leaveRate': bursts?.leaveRate,
    'bursts.lossRate': bursts?.lossRate,
  }
  for (const [name, share] of Object.entries(shares)) {
    if (share !== undefined && !(share >= 0 && share <= 1)) {
      throw new RangeError(`${name} is a share, from 0 to 1, not ${share}`)
    }
  }
  const { delayMs, jitterMs, reorderDelayMs } = conditions
  for (const [name, ms] of Object.entries({ delayMs, jitterMs, reorderDelayMs })) {
    if (ms !== undefined && !(ms >= 0 && ms < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`${name} is a time in milliseconds, not ${ms}`)
    }
  }
  const { bytesPerSecond, queueBytes } = conditions
  for (const [name, bytes] of Object.entries({ bytesPerSecond, queueBytes })) {
    if (bytes !== undefined && !(bytes > 0)) throw new RangeError(`${name} is more than 0, not ${bytes}`)
  }
}
