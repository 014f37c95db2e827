import type { LaneName } from '../../base/http/protocol.ts'
import type { MeasuredSnapshot } from './lane-snapshot.ts'

/** Blocks that a lane has carried before its figures are those of a process that has warmed up. */
const WARM_BLOCKS = 3
/** All of learning, what carries included: 50 requests with blocks of 10. */
const LEARNING_BLOCKS = 5
/**
 * A process that has just begun is slow by milliseconds, at worst some tens of them; a greater difference has
 * other causes.
 */
const WARMING_UP_MS = 50

/**
 * Who was measured after whom. The first requests of a process are slow whatever carries them, and a way
 * changes while it is measured: a lane that carried before a trial, and looks worse after it, carries another
 * block before it loses (A B A).
 */
export class Turns {
  readonly #block: number
  /** Exchanges of the lane that carries, since learning began. */
  #carried = 0
  /** How many of them there were at the end of a lane's last trial. */
  readonly #atTrial = new Map<LaneName, number>()

  constructor(block: number) {
    this.#block = block
  }

  get carried(): number {
    return this.#carried
  }

  /** An exchange over the lane that carries. */
  onCarried(): void {
    this.#carried += 1
  }

  /** A trial of the lane ended. */
  onTried(lane: LaneName): void {
    this.#atTrial.set(lane, this.#carried)
  }

  /** Another lane carries, and has figures of its own. */
  onChanged(): void {
    this.#atTrial.clear()
  }

  startOver(): void {
    this.#carried = 0
    this.#atTrial.clear()
  }

  /** Another block fits into learning's requests. `spent`: those of trials. */
  hasRoom(spent: number): boolean {
    return this.#carried + spent + this.#block <= LEARNING_BLOCKS * this.#block
  }

  /** What carries has to carry another block before it is compared with this lane, which looks better. */
  mustWait(rival: MeasuredSnapshot, current: MeasuredSnapshot, spent: number): boolean {
    const at = this.#atTrial.get(rival.lane)
    if (
      at === undefined ||
      this.#carried + spent >= LEARNING_BLOCKS * this.#block ||
      at >= WARM_BLOCKS * this.#block
    )
      return false
    if (current.prediction.ms - rival.prediction.ms > WARMING_UP_MS) return false
    return this.#carried - at < this.#block
  }

  /**
   * What it took so far gives way to its next block. Times that vary by more than warming up explains are
   * those of a way that loses packets: they stay.
   */
  isWarmingUp({ estimates }: MeasuredSnapshot): boolean {
    return estimates.ttfb.deviation < WARMING_UP_MS / 2
  }

  /** Half a block lies between two trials of the same lane. */
  mayTryAgain(lane: LaneName): boolean {
    const at = this.#atTrial.get(lane)
    return at === undefined || this.#carried - at >= this.#block / 2
  }
}
