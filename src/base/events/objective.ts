/** Why a connection was not there any more when the next request came; a metric label: add, do not rename. */
export const REUSE_CAUSES = [
  'origin-keep-alive',
  'origin-max-requests',
  'pool-too-small',
  'pool-too-large',
  'resets',
  'dns-changes',
  'age',
  'abandoned',
  'reuse-mode',
  'certificate',
  'proxy-rotation',
  'demand-grew',
] as const
/** One of REUSE_CAUSES. */
export type ReuseCause = (typeof REUSE_CAUSES)[number]

/**
 * Whether the objective of an origin is held, and what stands against it.
 *
 * @example
 * ```ts
 * for (const { origin, objective } of transport.stats().pools)
 *   if (objective.state === 'missed') console.log(origin, objective.cause, objective.advice)
 * ```
 */
export type ObjectiveStatus =
  /** `unknown`: too few requests in the last window, or none is over yet; `off`: there is no objective. */
  { readonly state: 'met' | 'unknown' | 'off'; readonly reuse: number } | ObjectiveMissed

/** See ObjectiveStatus. */
export interface ObjectiveMissed {
  readonly state: 'missed'
  readonly reuse: number
  /** What it was over the window. */
  readonly reuseRate: number
  /** What most of the connections ended for that others had to replace. */
  readonly cause: ReuseCause
  /** Their share of the connections that were made, 0 to 1. */
  readonly share: number
  /** For people: the option that would change it. */
  readonly advice: string
}
