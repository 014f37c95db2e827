import { seededRandom } from '../../base/seeded-random.ts'
import type { Conditions, Direction } from './conditions.ts'

/**
 * What chance does to one packet. `jitterMs` is what it is late by beyond the delay of the path; `isLate`: it
 * is held back, so that others overtake it.
 */
export type Fate =
  | { readonly kind: 'lost'; readonly because: 'chance' | 'burst' }
  | {
      readonly kind: 'passes'
      readonly jitterMs: number
      readonly isLate: boolean
      readonly isDoubled: boolean
    }

/**
 * The fates of the packets of one direction, one after the other. Each kind of chance has dice of its own and
 * all of them are thrown for every packet, so that a fate is a matter of the seed and of the packet's number
 * alone: a changed rate does not shift the luck of others, and jitter does not change who is lost.
 */
export class PacketLossModel {
  readonly #chance: () => number
  readonly #burstTurn: () => number
  readonly #burstLoss: () => number
  readonly #jitter: () => number
  readonly #reorder: () => number
  readonly #double: () => number
  readonly #again: () => number
  #isInBurst = false

  constructor(seed: number) {
    const dice = (kind: number): (() => number) => seededRandom(mixSeeds(seed, kind))
    this.#chance = dice(1)
    this.#burstTurn = dice(2)
    this.#burstLoss = dice(3)
    this.#jitter = dice(4)
    this.#reorder = dice(5)
    this.#double = dice(6)
    this.#again = dice(7)
  }

  next({ lossRate = 0, bursts, jitterMs = 0, reorderRate = 0, duplicateRate = 0 }: Conditions): Fate {
    const isLost = this.#chance() < lossRate
    const turn = this.#burstTurn()
    const burstLoss = this.#burstLoss()
    const jitter = this.#jitter() * jitterMs
    const isLate = this.#reorder() < reorderRate
    const isDoubled = this.#double() < duplicateRate
    if (bursts === undefined) this.#isInBurst = false
    else if (turn < (this.#isInBurst ? bursts.leaveRate : bursts.enterRate))
      this.#isInBurst = !this.#isInBurst
    if (this.#isInBurst && burstLoss < (bursts?.lossRate ?? 1)) return { kind: 'lost', because: 'burst' }
    if (isLost) return { kind: 'lost', because: 'chance' }
    return { kind: 'passes', jitterMs: jitter, isLate, isDoubled }
  }

  /**
   * Whether what is sent again, some time after its loss, is lost once more. It meets the average of the
   * path.
   */
  isLostAgain(conditions: Conditions): boolean {
    return this.#again() < averageLoss(conditions)
  }
}

/**
 * The share of packets that these conditions lose in the long run: those of bursts, and by chance those that
 * no burst takes.
 */
export function averageLoss({ lossRate = 0, bursts }: Conditions): number {
  if (bursts === undefined || bursts.enterRate === 0) return lossRate
  // How much of its packets a chain of two states spends in one of them: Gilbert, "Capacity of a Burst-Noise
  // Channel", 1960.
  const inBurst = bursts.enterRate / (bursts.enterRate + bursts.leaveRate)
  const byBursts = inBurst * (bursts.lossRate ?? 1)
  return byBursts + (1 - byBursts) * lossRate
}

/**
 * The seed of one direction, and there of the nth connection: what goes one way does not change the luck of
 * what goes another.
 */
export function fateSeed(seed: number, direction: Direction, connection = 0): number {
  return mixSeeds(mixSeeds(seed, direction === 'toServer' ? 1 : 2), connection)
}

/** 32 bits of which each depends on each of both: the finalizer of MurmurHash3. */
function mixSeeds(seed: number, other: number): number {
  let mixed = Math.imul(seed, 0x9e37_79b1) ^ Math.imul(other + 1, 0x85eb_ca77)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35)
  return mixed ^ (mixed >>> 16)
}
