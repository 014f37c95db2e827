import type { MigrationTarget, UdpAddress } from '../engine.ts'

const FIRST_SPARE_INTERVAL_MS = 1000
const MAX_SPARE_INTERVAL_MS = 64_000

/**
 * The paths that a connection may still try. quiche 0.18 gives each pair of addresses a connection id for
 * good, a path that was only validated included, so that a limit of 8 ids leaves 7 paths beside the first. On
 * a lossy path one exchange in ten makes a suspicion: spares are therefore opened rarely (1 s apart, doubling
 * to 64 s while suspicions go on), and one that was put away is opened again at the same port, which costs no
 * further id.
 */
export class PathBudget {
  readonly max: number
  readonly #seen = new Set<string>()
  #spare: UdpAddress | undefined
  #spareAt = Number.NEGATIVE_INFINITY
  #spareIntervalMs = 0

  constructor(first: UdpAddress, max: number) {
    this.max = max
    this.#seen.add(keyOf(first))
  }

  /**
   * Where the next socket goes; undefined: there is no path left. What was asked for comes first, then a
   * spare that was put away.
   */
  choose(asked: MigrationTarget): MigrationTarget | undefined {
    const { address, port } = asked
    if (address === undefined && port === undefined && this.#spare !== undefined) {
      return { address: this.#spare.host, port: this.#spare.port }
    }
    const isSeen =
      address !== undefined && port !== undefined && this.#seen.has(keyOf({ host: address, port }))
    return isSeen || this.#seen.size <= this.max ? asked : undefined
  }

  onOpened(local: UdpAddress): void {
    this.#seen.add(keyOf(local))
    this.#spare = undefined
  }

  /** A spare works and is not needed. */
  putAway(local: UdpAddress): void {
    this.#spare = local
  }

  /** Its port cannot be had any more. */
  forgetSpare(): void {
    this.#spare = undefined
  }

  /** Whether a spare may be opened for a suspicion now; it then counts as opened. */
  takeSpare(now: number): boolean {
    const sinceMs = now - this.#spareAt
    if (sinceMs < this.#spareIntervalMs) return false
    const isQuiet = sinceMs >= 2 * this.#spareIntervalMs
    this.#spareIntervalMs = isQuiet
      ? FIRST_SPARE_INTERVAL_MS
      : Math.min(2 * this.#spareIntervalMs, MAX_SPARE_INTERVAL_MS)
    this.#spareAt = now
    return true
  }
}

function keyOf({ host, port }: UdpAddress): string {
  return `${host} ${port}`
}
