import { mostWaitingForTickets, TICKET_WAIT_MS } from './load/bench-client.ts'
import type { Arrival } from './load/load-job.ts'

/**
 * What an origin gets that is not on this machine, unless somebody says yes to more. Of connections it is
 * those that are open at once for one subject: only one of them is at work at a time.
 */
export const POLITE_LIMITS = { requestsPerSecond: 20, connections: 8, requests: 2_000 } as const

/** What a run would do to an origin at the most. */
export interface Imposition {
  readonly requestsPerSecond: number
  readonly connections: number
  readonly requests: number
}

export interface ImpositionParts {
  readonly arrival: Arrival
  readonly warmUp: { readonly requests: number; readonly seconds: number }
  readonly measure: { readonly requests: number; readonly seconds: number }
  readonly rounds: number
  /** Every request has a connection of its own. */
  readonly isCold: boolean
  /** It waits for a ticket before it is closed. */
  readonly isResumed: boolean
  /**
   * With the connections that each was given (0: as many as it likes); without a protocol it chooses, and may
   * dial two at once.
   */
  readonly subjects: readonly { readonly connections: number; readonly protocol: string | undefined }[]
}

/** A burst may be over at once, and is followed by its pause. */
function mostPerSecond({ arrival, isResumed }: ImpositionParts): number {
  if (arrival.kind === 'open') return arrival.perSecond
  if (arrival.kind === 'closed' && isResumed) return (arrival.concurrency * 1000) / TICKET_WAIT_MS
  if (arrival.kind === 'closed' || arrival.pauseMs === 0) return Number.POSITIVE_INFINITY
  return (arrival.requests * 1000) / arrival.pauseMs
}

/** A closed loop has no rate, unless its clients wait, and by its time alone no end: Infinity. */
export function impositionOf(parts: ImpositionParts): Imposition {
  const { arrival, warmUp, measure, rounds, isCold, isResumed, subjects } = parts
  const perSecond = mostPerSecond(parts)
  const inFlight =
    arrival.kind === 'open'
      ? arrival.maxInFlight + (isResumed ? mostWaitingForTickets(perSecond) : 0)
      : arrival.kind === 'closed'
        ? arrival.concurrency
        : arrival.requests
  const within = ({ requests, seconds }: ImpositionParts['measure']): number =>
    seconds === 0 || requests === 0 ? 0 : Math.min(requests, Math.ceil(perSecond * seconds))
  const connectionsOf = ({ connections, protocol }: ImpositionParts['subjects'][number]): number =>
    isCold || connections === 0 ? inFlight * (protocol === undefined ? 2 : 1) : connections
  return {
    requestsPerSecond: perSecond,
    connections: Math.max(...subjects.map(connectionsOf)),
    // One more for each subject, which shows whether it can be measured at all.
    requests: subjects.length * (1 + within(warmUp) + rounds * within(measure)),
  }
}

/** What is above the limits, in words; empty: nothing. */
export function impolite(imposition: Imposition): readonly string[] {
  const excess: string[] = []
  const check = (key: keyof Imposition, unit: string): void => {
    const most = POLITE_LIMITS[key]
    const asked = imposition[key]
    if (asked <= most) return
    excess.push(
      `${Number.isFinite(asked) ? `up to ${Math.ceil(asked)}` : 'any number of'} ${unit} (limit ${most})`,
    )
  }
  check('requestsPerSecond', 'requests/s')
  check('connections', 'connections')
  check('requests', 'requests in all')
  return excess
}
