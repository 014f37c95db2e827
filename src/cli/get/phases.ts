import type { ExchangeInfo } from '../../index.ts'

/** The phases of an exchange, in their order. They add up to its total. */
export const PHASES = ['queue', 'dns', 'connect', 'tls', 'ttfb', 'body'] as const
type Phase = (typeof PHASES)[number]

/**
 * Where the time of one exchange went, in ms:
 *
 * queue    it waited: for a connection that another request made, for a free stream, or for tries that failed
 * dns, connect, tls    what its own connection took, as far as it waited for that
 * ttfb     from the lease of its connection to the head of the response
 * body     from there to the end
 */
export type Phases = Readonly<Record<Phase, number>>

/**
 * The transport's timings as phases that follow each other: there the time until the lease contains the steps
 * of connecting, and a connection may have been under way before the request came.
 */
export function phasesOf(
  timings: ExchangeInfo['timings'] | undefined,
  totalMs: number,
  bodyMs: number,
): Phases {
  let left = totalMs
  const take = (ms: number): number => {
    const taken = Math.min(Math.max(0, ms), left)
    left -= taken
    return taken
  }
  // From the end: what came last was waited for.
  const body = take(bodyMs)
  const ttfb = take(timings?.ttfbMs ?? 0)
  const tls = take(timings?.tlsMs ?? 0)
  const connect = take(timings?.connectMs ?? 0)
  const dns = take(timings?.dnsMs ?? 0)
  return { queue: left, dns, connect, tls, ttfb, body }
}

/**
 * Rounds to multiples of `unit` so that the rounded ones still add up: the sums are rounded, and each phase is
 * the difference of two. None is off by more than one unit.
 */
export function roundedPhases(phases: Phases, unit: number): Phases & { readonly total: number } {
  const rounded = { queue: 0, dns: 0, connect: 0, tls: 0, ttfb: 0, body: 0 }
  let sum = 0
  let before = 0
  const perMs = 1 / unit
  for (const phase of PHASES) {
    sum += phases[phase]
    const now = Math.round(sum * perMs)
    rounded[phase] = (now - before) / perMs
    before = now
  }
  return { ...rounded, total: before / perMs }
}
