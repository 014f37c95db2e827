import { descriptorLimit, shareDescriptors } from '../base/descriptors.ts'
import type { AcceptRoom } from './accept-gate.ts'

/** How the descriptors of a process go round between its listeners and its connections to origins. */
export interface AcceptPlan {
  /** Of this process. */
  readonly limit: number
  /** For each listener. */
  readonly room: AcceptRoom
  /** What all clients may have, and all origins; undefined: their own limits are lower. */
  readonly clients: number | undefined
  readonly origins: number | undefined
}

/** What was written down, or what holds by default. */
export interface PlannedLimits {
  readonly listeners: number
  /**
   * Of one listener. Undefined: nobody has said anything, and `defaultMaxConnections` is more than a small
   * process can have.
   */
  readonly maxConnections: number | undefined
  readonly defaultMaxConnections: number
  readonly maxTotalConnections: number
}

/**
 * Where listeners stop accepting so that descriptors do not run out. A number that was written down holds, be
 * it too high: then the descriptors in use alone say when to stop. Undefined: there is no limit, or it is not
 * known.
 */
export function planAccept(planned: PlannedLimits, limit = descriptorLimit()): AcceptPlan | undefined {
  if (limit === undefined) return undefined
  const { listeners, maxConnections, defaultMaxConnections, maxTotalConnections } = planned
  const { reserve, clients, origins } = shareDescriptors(limit)
  const share = Math.max(1, Math.floor(clients / Math.max(1, listeners)))
  const isShort = maxConnections === undefined && share < defaultMaxConnections
  return {
    limit,
    room: {
      maxConnections: isShort ? share : Number.POSITIVE_INFINITY,
      maxDescriptors: limit - Math.floor(reserve / 2),
    },
    clients: isShort ? clients : undefined,
    origins: origins <= maxTotalConnections ? origins : undefined,
  }
}
