import type { CloseReason } from '../../base/events/connection.ts'
import type { ReuseCause } from '../../base/events/objective.ts'

/** What is counted of an origin's connections and requests since its pools were made. */
export interface EconomyCounters {
  readonly requests: number
  readonly opened: number
  /** By reason. */
  readonly closed: Readonly<Record<string, number>>
  /** Of those that the peer closed, the ones that were idle. */
  readonly idleEnds: number
  /**
   * Connections that were made since the certificate of an open one, which could have carried the requests,
   * does not cover the origin.
   */
  readonly uncovered: number
  /** Those that were made through another proxy than the one before. */
  readonly proxyChanges: number
  /** Of handshakes that were avoided. */
  readonly savedSeconds: number
  readonly savedRoundTrips: number
  /** Exchanges under way x ms. */
  readonly streamMs: number
}

/**
 * How few connections carried the requests of a time.
 *
 * @example
 * ```ts
 * const { lastMinute, lastHour, sinceStart }: Economy = transport.stats().economy
 * for (const { seconds, reuseRate, connectionsPerRequest } of [lastMinute, lastHour, sinceStart])
 *   console.log(seconds, reuseRate, connectionsPerRequest)
 * ```
 */
export interface EconomyFigures {
  /** How long that was: less than the window where the origin is known for less. */
  readonly seconds: number
  readonly requests: number
  /** Connections that were made. */
  readonly opened: number
  /** 1 - opened / requests, 0 at the least. Undefined: there was no request. */
  readonly reuseRate: number | undefined
  /** Undefined: there was no request. */
  readonly connectionsPerRequest: number | undefined
  /** Connections that ended, by reason; those of which there were none are left out. */
  readonly endsPerSecond: Readonly<Record<string, number>>
  /** Seconds and round trips of handshakes that were avoided, if it went on like that for a day. */
  readonly savedSecondsPerDay: number
  readonly savedRoundTripsPerDay: number
  readonly requestsPerSecond: number
  /** For how long an exchange held its stream, on average. */
  readonly latencyMs: number
  /** Exchanges that were under way at once, on average: the product of the two (Little's law). */
  readonly concurrency: number
}

/** The same over three times. */
export interface Economy {
  readonly lastMinute: EconomyFigures
  readonly lastHour: EconomyFigures
  readonly sinceStart: EconomyFigures
}

export const NO_COUNTERS: EconomyCounters = {
  requests: 0,
  opened: 0,
  closed: {},
  idleEnds: 0,
  uncovered: 0,
  proxyChanges: 0,
  savedSeconds: 0,
  savedRoundTrips: 0,
  streamMs: 0,
}

/** What was counted between two times. */
export function difference(from: EconomyCounters, to: EconomyCounters): EconomyCounters {
  const closed: Record<string, number> = {}
  for (const [reason, count] of Object.entries(to.closed)) {
    const ends = count - (from.closed[reason] ?? 0)
    if (ends > 0) closed[reason] = ends
  }
  return {
    requests: to.requests - from.requests,
    opened: to.opened - from.opened,
    closed,
    idleEnds: to.idleEnds - from.idleEnds,
    uncovered: to.uncovered - from.uncovered,
    proxyChanges: to.proxyChanges - from.proxyChanges,
    savedSeconds: to.savedSeconds - from.savedSeconds,
    savedRoundTrips: to.savedRoundTrips - from.savedRoundTrips,
    streamMs: to.streamMs - from.streamMs,
  }
}

/** The figures of what was counted within `seconds`. */
export function economyFigures(counted: EconomyCounters, seconds: number): EconomyFigures {
  const { requests, opened, closed, savedSeconds, savedRoundTrips, streamMs } = counted
  const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0)
  const concurrency = perSecond(streamMs / 1000)
  return {
    seconds,
    requests,
    opened,
    reuseRate: requests > 0 ? Math.max(0, 1 - opened / requests) : undefined,
    connectionsPerRequest: requests > 0 ? opened / requests : undefined,
    endsPerSecond: Object.fromEntries(
      Object.entries(closed).map(([reason, count]) => [reason, perSecond(count)]),
    ),
    savedSecondsPerDay: perSecond(savedSeconds) * 86_400,
    savedRoundTripsPerDay: perSecond(savedRoundTrips) * 86_400,
    requestsPerSecond: perSecond(requests),
    latencyMs: requests > 0 ? streamMs / requests : 0,
    concurrency,
  }
}

/** Of several origins together. */
export function sumEconomy(all: readonly Economy[]): Economy {
  return {
    lastMinute: sumFigures(all.map(({ lastMinute }) => lastMinute)),
    lastHour: sumFigures(all.map(({ lastHour }) => lastHour)),
    sinceStart: sumFigures(all.map(({ sinceStart }) => sinceStart)),
  }
}

function sumFigures(all: readonly EconomyFigures[]): EconomyFigures {
  const seconds = Math.max(0, ...all.map(figures => figures.seconds))
  const sum = (pick: (figures: EconomyFigures) => number): number =>
    all.reduce((total, figures) => total + pick(figures), 0)
  const requests = sum(figures => figures.requests)
  const opened = sum(figures => figures.opened)
  const ends: Record<string, number> = {}
  for (const { endsPerSecond } of all) {
    for (const [reason, rate] of Object.entries(endsPerSecond)) ends[reason] = (ends[reason] ?? 0) + rate
  }
  const concurrency = sum(figures => figures.concurrency)
  const requestsPerSecond = sum(figures => figures.requestsPerSecond)
  return {
    seconds,
    requests,
    opened,
    reuseRate: requests > 0 ? Math.max(0, 1 - opened / requests) : undefined,
    connectionsPerRequest: requests > 0 ? opened / requests : undefined,
    endsPerSecond: ends,
    savedSecondsPerDay: sum(figures => figures.savedSecondsPerDay),
    savedRoundTripsPerDay: sum(figures => figures.savedRoundTripsPerDay),
    requestsPerSecond,
    latencyMs: requestsPerSecond > 0 ? (concurrency / requestsPerSecond) * 1000 : 0,
    concurrency,
  }
}

/** Ends that are of one cause. What is in none (a drain, a shutdown) is nobody's fault. */
const CAUSES: Readonly<Partial<Record<CloseReason, ReuseCause>>> = {
  'keep-alive-timeout': 'origin-keep-alive',
  'max-requests': 'origin-max-requests',
  evicted: 'pool-too-small',
  'idle-timeout': 'pool-too-large',
  surplus: 'pool-too-large',
  errors: 'resets',
  'ping-failed': 'resets',
  unresponsive: 'resets',
  timeout: 'resets',
  'network-error': 'resets',
  'path-failed': 'resets',
  'protocol-error': 'resets',
  'unexpected-data': 'resets',
  'internal-error': 'resets',
  'address-gone': 'dns-changes',
  'max-age': 'age',
  'exchange-aborted': 'abandoned',
  upgraded: 'abandoned',
}

/**
 * For which cause connections were made, and how many for each: those that a shared one would have spared,
 * those that follow to another proxy; the rest replace those that ended. More may have ended than had to be
 * replaced.
 */
export function countCauses(counted: EconomyCounters, isReuseOff: boolean): ReadonlyMap<ReuseCause, number> {
  const counts = new Map<ReuseCause, number>()
  const add = (cause: ReuseCause, count: number): void => {
    if (count > 0) counts.set(cause, (counts.get(cause) ?? 0) + count)
  }
  const { opened, uncovered, proxyChanges } = counted
  add('certificate', Math.min(uncovered, opened))
  add('proxy-rotation', Math.min(proxyChanges, opened - Math.min(uncovered, opened)))
  const rest = Math.max(0, opened - uncovered - proxyChanges)
  const ended = Object.values(counted.closed).reduce((sum, count) => sum + count, 0)
  const replaced = ended > rest ? rest / ended : 1
  for (const [reason, ends] of Object.entries(counted.closed)) {
    const count = ends * replaced
    const cause = CAUSES[reason as CloseReason] // what is none of them is not in the table
    if (reason === 'peer-closed') {
      // The idle ones had waited for too long; of the others it took as many requests as it wants.
      const idle = Math.min(ends, counted.idleEnds)
      add('origin-keep-alive', idle * replaced)
      add('origin-max-requests', (ends - idle) * replaced)
    } else if (reason === 'max-requests' && isReuseOff) add('reuse-mode', count)
    else if (cause !== undefined) add(cause, count)
  }
  add('demand-grew', rest - ended)
  return counts
}
