import type { PathConditions } from './impair/conditions.ts'
import type { Arrival, LoadJob, RequestKind } from './load/load-job.ts'
import type { UrlSubject } from './subjects.ts'

export type { Conditions, LossBursts, PathConditions } from './impair/conditions.ts'

/** What is measured at one URL. */
export interface UrlPlan {
  readonly url: URL
  /** The first is the one that all others are compared with. */
  readonly subjects: readonly UrlSubject[]
  readonly request: RequestKind
  readonly arrival: Arrival
  /** Of each subject, before the first round. */
  readonly warmUp: LoadJob['warmUp']
  /** Of each subject in each round. */
  readonly measure: LoadJob['measure']
  readonly rounds: number
  readonly seed: number
  /** Every request has a client of its own, and so a new connection. */
  readonly isCold: boolean
  /** Tickets outlive a client. */
  readonly isResumed: boolean
  readonly isEarly: boolean
  /** PEM. */
  readonly ca: string | undefined
  /** `HOST:PORT` to IP. */
  readonly resolve: Readonly<Record<string, string>>
  /** Relays stand on the path; undefined: it is as it is. */
  readonly conditions: PathConditions | undefined
}

/** 443 or 80 where the URL has none. */
export function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

/** Without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/** One sentence: what is done. */
export function describePlan(plan: UrlPlan): string {
  const { request, url, isCold, isResumed, isEarly, rounds, measure } = plan
  const how = isEarly
    ? ', a new connection for each, resumed and in early data'
    : isResumed
      ? ', a new connection for each, resumed'
      : isCold
        ? ', a new connection for each'
        : ''
  const length = [
    ...(Number.isFinite(measure.seconds) ? [`${measure.seconds} s`] : []),
    ...(Number.isFinite(measure.requests) ? [`${measure.requests} requests`] : []),
  ]
  return `${request.method} ${url.href}: ${describeArrival(plan.arrival)}${how}; ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${length.join(' or ')}`
}

function describeArrival(arrival: Arrival): string {
  switch (arrival.kind) {
    case 'closed':
      return `${arrival.concurrency} requests at a time (closed loop)`
    case 'open':
      return `${arrival.perSecond} requests/s, ${arrival.spacing === 'poisson' ? 'at random times' : 'evenly'}, whatever became of those before (open loop)`
    case 'bursts':
      break
  }
  const pause = arrival.pauseMs === 0 ? '' : ` after ${arrival.pauseMs} ms of silence`
  return `${arrival.requests} requests at once, again and again${pause}`
}
