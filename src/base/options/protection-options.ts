/** By what those are told apart who take turns: see ProtectionOptions.fairBy. */
export const FAIR_BY = ['client', 'host', 'none'] as const

/** One of FAIR_BY. */
export type FairBy = (typeof FAIR_BY)[number]

/** What an origin is spared. */
export interface ProtectionOptions {
  /**
   * Connections to the origin at once, all that there are: those of every protocol, those that are being made
   * or ended, those whose readers stall, and those that a reload has put out of use. Beyond it requests wait,
   * in turns, and are refused with MM_ORIGIN_PROTECTED where they wait for too long or too many do. The
   * workers of a service share one ceiling, and so do all hosts with the same `state.redis`; other processes
   * each have their own. 0: no ceiling but `pool.maxConnections`. Default 0.
   */
  maxConnections: number
  /**
   * Connections of the ceiling that a host may have while `state.redis` does not say how many: when Redis
   * could not be reached for two thirds of a lease, and for the first lease after it has lost what it knew.
   * 0: none, so that requests wait. Default 1.
   */
  floor: number
  /**
   * Who takes turns while requests wait: `client` (by the address that the connection comes from, of IPv6 by
   * its /64), `host` (the one that was asked for), or `none`: who comes first is served first. A service
   * knows who it is; a program says so with `fairKey`. Default `client`.
   */
  fairBy: FairBy
}

/** The defaults of `protection`. */
export const DEFAULT_PROTECTION_OPTIONS: Readonly<ProtectionOptions> = {
  maxConnections: 0,
  floor: 1,
  fairBy: 'client',
}
