import type { FailedRequest } from './load/load-job.ts'
import { HANGING_NAMES, type OriginName, plannedOrigin } from './plan.ts'
import type { OriginRecord } from './soak-logs.ts'

/** What is known besides the failure itself. */
export interface Evidence {
  record(origin: OriginName): OriginRecord
  /** When an origin was not there, on the wall clock. */
  readonly downtimes: readonly { readonly origin: OriginName; readonly from: number; readonly to: number }[]
  /** How many requests with a body were made to an origin. */
  writes(origin: OriginName): number
}

/**
 * `none`: one is too many. `all`: each is the origin's doing, as its log or the schedule shows. `share`: as
 * many as `lostWriteShare` of the origin's requests with a body.
 */
type Allowance = 'none' | 'all' | 'share'

interface FailureRule {
  readonly name: string
  readonly because: string
  readonly allows: Allowance
  applies(failed: FailedRequest, evidence: Evidence): boolean
}

/** The first one that applies is the failure's. The last one applies to everything. */
const FAILURE_RULES: readonly FailureRule[] = [
  {
    name: 'wrong answer',
    because: "another request's answer, or changed bytes, reported as complete: never",
    allows: 'none',
    applies: failed => failed.kind === 'wrong',
  },
  {
    name: 'no answer',
    because:
      "nothing within the client's patience, which is longer than every time limit of the proxy: never",
    allows: 'none',
    applies: failed => failed.kind === 'no-answer',
  },
  {
    name: 'hanging name',
    because: 'the name of its origin has no answer',
    allows: 'all',
    applies: ({ origin, code }) => origin === HANGING_NAMES.name && code.startsWith('MM_DNS_'),
  },
  {
    name: 'spoiled answer',
    because: 'the origin wrote down that it spoiled this very answer: its fault, passed on',
    allows: 'all',
    applies: (failed, evidence) => {
      const fault = evidence.record(failed.origin).faults.get(failed.id)
      return (
        fault !== undefined && fault !== 'unanswered' && (failed.status >= 500 || failed.kind === 'truncated')
      )
    },
  },
  {
    name: 'origin down',
    because: 'the origin was not running',
    allows: 'all',
    applies: (failed, evidence) => failed.kind !== 'connection' && wasDown(failed, evidence, 0),
  },
  {
    name: 'origin just back',
    because: 'the origin came back 1 s ago or less (2 s over HTTP/3, where no stateless reset is sent)',
    allows: 'all',
    applies: (failed, evidence) =>
      failed.kind !== 'connection' && wasDown(failed, evidence, plannedOrigin(failed.origin).downSlackMs),
  },
  {
    name: 'client connection lost',
    because: "the proxy closed the client's own connection instead of answering: never",
    allows: 'none',
    applies: failed => failed.kind === 'connection',
  },
  {
    name: 'overload',
    because: 'no connection became free in time (503), at a load that the pool can carry: never',
    allows: 'none',
    applies: failed => failed.code === 'MM_QUEUE_TIMEOUT' || failed.code === 'MM_QUEUE_FULL',
  },
  {
    name: 'truncated',
    because: 'an answer that the origin sent whole was cut off: never',
    allows: 'none',
    applies: failed => failed.kind === 'truncated',
  },
  {
    name: 'unanswered write',
    because: 'the origin read this request with a body and closed without an answer: not repeatable',
    allows: 'all',
    applies: (failed, evidence) =>
      isWrite(failed) && evidence.record(failed.origin).faults.get(failed.id) === 'unanswered',
  },
  {
    name: 'lost write',
    because: 'a request with a body on a connection that the origin closed under it: not repeatable',
    allows: 'share',
    applies: failed => isWrite(failed) && plannedOrigin(failed.origin).lostWriteShare > 0,
  },
  {
    name: 'failed write',
    because: 'a request with a body failed at an origin that closes nothing without a word: never',
    allows: 'none',
    applies: isWrite,
  },
  {
    name: 'failed GET',
    because: 'GET or HEAD can be sent again, and its origin was up: never',
    allows: 'none',
    applies: () => true,
  },
]

function isWrite({ method }: FailedRequest): boolean {
  return method === 'POST' || method === 'PUT'
}

/** Within so many ms of a time when it was not there. */
function wasDown(
  { origin, startedAt, endedAt }: FailedRequest,
  { downtimes }: Evidence,
  slackMs: number,
): boolean {
  return downtimes.some(
    down => down.origin === origin && startedAt < down.to + slackMs && endedAt >= down.from,
  )
}

export interface RuleCount {
  readonly rule: FailureRule
  readonly count: number
  /** By origin, and by status and code. */
  readonly byOrigin: ReadonlyMap<OriginName, number>
  readonly byOutcome: ReadonlyMap<string, number>
  /** How many are too many. */
  readonly excess: number
  readonly examples: readonly FailedRequest[]
}

const MAX_EXAMPLES = 3

/** Puts each failure down to its rule, in the order of the rules; those without failures are in it too. */
export function judgeFailures(failures: readonly FailedRequest[], evidence: Evidence): RuleCount[] {
  const found = new Map<FailureRule, FailedRequest[]>(FAILURE_RULES.map(rule => [rule, []]))
  for (const failed of failures) {
    const rule = FAILURE_RULES.find(rule => rule.applies(failed, evidence))
    if (rule !== undefined) found.get(rule)?.push(failed)
  }
  return Array.from(found, ([rule, failed]) => {
    const byOrigin = countBy(failed, ({ origin }) => origin)
    const byOutcome = countBy(failed, outcomeText)
    let excess = rule.allows === 'none' ? failed.length : 0
    if (rule.allows === 'share') {
      for (const [origin, count] of byOrigin) excess += Math.max(0, count - mostLostWrites(origin, evidence))
    }
    return {
      rule,
      count: failed.length,
      byOrigin,
      byOutcome,
      excess,
      examples: failed.slice(0, MAX_EXAMPLES),
    }
  })
}

/** What its client saw: a status with the connector's code, or how it was cut off. */
export function outcomeText({ status, code, kind }: FailedRequest): string {
  return status === 0 ? kind : code === '' ? String(status) : `${status} ${code}`
}

function countBy<K>(failed: readonly FailedRequest[], key: (failed: FailedRequest) => K): Map<K, number> {
  const counts = new Map<K, number>()
  for (const entry of failed) counts.set(key(entry), (counts.get(key(entry)) ?? 0) + 1)
  return counts
}

/** Three more than the share: a short run has few requests, and chance its turns. */
function mostLostWrites(origin: OriginName, evidence: Evidence): number {
  return 3 + Math.ceil(plannedOrigin(origin).lostWriteShare * evidence.writes(origin))
}
