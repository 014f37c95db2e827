/** Limits over all origins. */
export interface GlobalLimits {
  /**
   * Connections in all. When reached, the longest idle one of any origin makes room. Where it is not given, a third of the descriptors of the process
   * (`ulimit -n`, Linux) at the most.
   */
  maxTotalConnections: number
  /** Origins with a pool. When reached, the one that was unused for longest and is idle makes room. */
  maxOrigins: number
  /**
   * The share of the event loop's time (0 to 1) that making connections may take while there is other work. Beyond it dials wait, and origins take
   * turns, so that one whose connections end all the time does not starve the others. 0: all begin at once.
   */
  dialShare: number
}

export const DEFAULT_GLOBAL_LIMITS: Readonly<GlobalLimits> = {
  maxTotalConnections: 1024,
  maxOrigins: 1024,
  dialShare: 0.5,
}
