/** Limits over all origins. */
export interface GlobalLimits {
  /**
   * Connections in all. When reached, the longest idle one of any origin makes room. Where it is not given, a
   * third of the descriptors of the process (`ulimit -n`, Linux) at the most. Default 1,024.
   */
  maxTotalConnections: number
  /**
   * Connections beside these whose readers stall, of all origins together: see `pool.maxStalledConnections`.
   * Where it is not given, what `maxTotalConnections` leaves of that third at the most. 0: none. Default
   * 1,024.
   */
  maxStalledConnections: number
  /**
   * Origins with a pool. When reached, the one that was unused for longest and is idle makes room. Default
   * 1,024.
   */
  maxOrigins: number
  /**
   * The share of the event loop's time (0 to 1) that making connections may take while there is other work.
   * Beyond it dials wait, and origins take turns, so that one whose connections end all the time does not
   * starve the others. 0: all begin at once. Default 0.5.
   */
  dialShare: number
}

/** The defaults of limits over all origins. Durations are in ms, sizes in bytes. */
export const DEFAULT_GLOBAL_LIMITS: Readonly<GlobalLimits> = {
  maxTotalConnections: 1024,
  maxStalledConnections: 1024,
  maxOrigins: 1024,
  dialShare: 0.5,
}
