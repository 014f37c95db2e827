import type { UdpAddress } from '../engine.ts'

interface RetiredPath {
  readonly local: UdpAddress
  readonly until: number
}

/**
 * Sockets of paths that were left: kept for what was under way to them (RFC 9000 9.3 has the peer send there
 * until it hears from the new one).
 */
export class RetiredPaths {
  #kept: readonly RetiredPath[] = []

  get locals(): readonly UdpAddress[] {
    return this.#kept.map(({ local }) => local)
  }

  /** Infinity: there is none. */
  get nextAt(): number {
    return this.#kept.reduce((at, { until }) => Math.min(at, until), Number.POSITIVE_INFINITY)
  }

  add(local: UdpAddress, until: number): void {
    this.#kept = [...this.#kept, { local, until }]
  }

  /** Those whose time has come, which are forgotten. */
  takeDue(now: number): readonly UdpAddress[] {
    const due = this.#kept.filter(({ until }) => until <= now)
    if (due.length > 0) this.#kept = this.#kept.filter(({ until }) => until > now)
    return due.map(({ local }) => local)
  }
}
