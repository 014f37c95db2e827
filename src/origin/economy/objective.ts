import type { ObjectiveStatus, ReuseCause } from '../../base/events/objective.ts'
import type { ObjectiveOptions } from '../../base/options/objective-options.ts'
import { countCauses, type EconomyCounters } from './economy-figures.ts'

/** Fewer requests within the window say nothing. */
const MIN_REQUESTS = 100

/** What would change a cause, by the option's name. */
const ADVICE: Readonly<Record<ReuseCause, string>> = {
  'origin-keep-alive':
    'the origin ends idle connections: raise its keep-alive timeout (nginx: keepalive_timeout), or set pool.headroom to keep those alive that the demand needs',
  'origin-max-requests':
    'the origin ends connections after so many requests: raise its limit (nginx: keepalive_requests), and pool.maxRequests where it is set',
  'pool-too-small':
    'idle connections make room for other origins: raise limits.maxTotalConnections, or pool.maxConnections of the origin',
  'pool-too-large':
    'connections age out unused between bursts: raise pool.idleTimeoutMs, or lower pool.maxConnections so that bursts share fewer',
  resets:
    'connections break: look at the path and at the origin; liveness.* and pool.verifyAfterIdleMs say how soon that is noticed',
  'dns-changes':
    'its addresses change while connections are open: raise their TTL, or resolver.dnsRefreshMs, or name endpoints',
  age: 'connections reach their age: raise pool.maxAgeMs',
  abandoned:
    'requests that are given up, and upgrades, end HTTP/1.1 connections: allow h2 in protocols, or raise the deadline of the callers',
  'reuse-mode': 'reuse is never: set it to safe, aggressive or always',
  certificate:
    'a connection to its address is open, whose certificate does not cover it: issue one for both names, or list it in certificateNames',
  'proxy-rotation':
    'connections follow from one proxy or local address to the next: raise egress.NAME.stickyMs, or take proxies that hold connections for longer',
  'demand-grew':
    'more requests come at once than there are connections: set pool.headroom, or lower pool.maxConnections so that they share fewer; reuse safe and aggressive make new ones as well',
}

/** Judges what was counted over one whole window. Undefined: it is not over. */
export function judgeObjective(
  { reuse }: ObjectiveOptions,
  counted: EconomyCounters | undefined,
  isReuseOff: boolean,
): ObjectiveStatus {
  if (reuse === 0) return { state: 'off', reuse }
  if (counted === undefined || counted.requests < MIN_REQUESTS) return { state: 'unknown', reuse }
  const reuseRate = Math.max(0, 1 - counted.opened / counted.requests)
  if (reuseRate >= reuse) return { state: 'met', reuse }
  const causes = countCauses(counted, isReuseOff)
  let cause: ReuseCause = 'demand-grew'
  for (const [one, count] of causes) if (count > (causes.get(cause) ?? 0)) cause = one
  const share = Math.min(1, (causes.get(cause) ?? 0) / counted.opened)
  return { state: 'missed', reuse, reuseRate, cause, share, advice: ADVICE[cause] }
}
