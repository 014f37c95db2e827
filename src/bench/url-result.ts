import { limits } from './impair/impaired-path.ts'
import { fairOpponents, unfairNotes } from './loss-fairness.ts'
import type { LoadRound } from './results/load-measurement.ts'
import type { Metric, ScenarioResult } from './results/scenario-result.ts'
import { loadMetricsOf, summarizeLoad } from './results/summaries.ts'
import type { UrlSubject } from './url-plan.ts'
import { describePlan, type UrlPlan } from './url-plan.ts'

interface UrlFindings {
  readonly rounds: ReadonlyMap<string, readonly LoadRound[]>
  readonly unavailable: ScenarioResult['unavailable']
  readonly brokenOff: string | undefined
  readonly isLocal: boolean
}

/** Columns of the table; the file has every figure of every round. */
const COLUMNS: readonly string[] = [
  'p50Ms',
  'p90Ms',
  'p99Ms',
  'firstByteP50Ms',
  'requestsPerSecond',
  'requests',
  'failures',
  'cpuMsPerRequest',
  'originCpuMsPerRequest',
  'connections',
]
/** Between cold requests a client is closed, and waits for tickets: their rate says nothing. */
const NOT_COLD: readonly string[] = ['requestsPerSecond']
const COLD_COLUMNS: readonly string[] = ['fullHandshakes', 'resumedHandshakes', 'earlyDataHandshakes']
const OPEN_COLUMNS: readonly string[] = ['lateMs']

/** What a run at a URL comes to. */
export function urlResult(plan: UrlPlan, findings: UrlFindings): ScenarioResult {
  const { conditions } = plan
  const { rounds } = findings
  const [first] = rounds.keys()
  const references = (): readonly string[] => (first === undefined ? [] : [first])
  const overTcp = plan.subjects.filter(isOverTcp).map(({ name }) => name)
  const rivals = (subject: string): readonly string[] =>
    plan.subjects.some(isOverHttp3(subject)) ? overTcp : []
  const table = summarizeLoad(rounds, {
    name: `${plan.request.method} ${plan.url.pathname}`,
    compared: ['p50Ms', telling(plan), 'cpuMsPerRequest'],
    rivals: fairOpponents(conditions, rounds, rivals),
    references: fairOpponents(conditions, rounds, references),
  })
  const unfair = unfairNotes(conditions, rounds, subject => [...references(), ...rivals(subject)])
  const broken = findings.brokenOff === undefined ? [] : [`broken off: ${findings.brokenOff}`]
  const notes = [...broken, ...unfair, ...(table.notes ?? [])]
  return {
    scenario: 'url',
    description: describePlan(plan),
    metrics: columnsOf(plan, loadMetricsOf([table])),
    cases: [{ ...table, ...(notes.length > 0 && { notes }) }],
    unavailable: findings.unavailable,
    limits: limitsOf(plan, findings),
  }
}

/** Of our own client: others differ by more than their protocol. */
function isOverTcp({ client, protocol }: UrlSubject): boolean {
  return client.file === 'middlemile' && (protocol === 'h2' || protocol === 'http/1.1')
}

function isOverHttp3(subject: string): (one: UrlSubject) => boolean {
  return ({ name, client, protocol }) => name === subject && client.file === 'middlemile' && protocol === 'h3'
}

function columnsOf({ isCold, arrival }: UrlPlan, metrics: readonly Metric[]): readonly Metric[] {
  const wanted = [
    ...COLUMNS.filter(key => !isCold || !NOT_COLD.includes(key)),
    ...(isCold ? COLD_COLUMNS : []),
    ...(arrival.kind === 'open' ? OPEN_COLUMNS : []),
  ]
  return metrics.filter(({ key }) => wanted.includes(key))
}

/** Besides the median latency and our CPU. */
function telling({ isCold, arrival }: UrlPlan): string {
  if (isCold) return 'firstByteP50Ms'
  return arrival.kind === 'closed' ? 'requestsPerSecond' : 'p99Ms'
}

function limitsOf(plan: UrlPlan, { isLocal, rounds }: UrlFindings): readonly string[] {
  const { arrival, conditions, isCold, isResumed } = plan
  const subjects = plan.subjects.filter(({ name }) => rounds.has(name))
  const names = subjects.map(({ client }) => client.file)
  const several = subjects.filter(
    ({ client, protocol, connections }) =>
      client.file === 'middlemile' && protocol !== undefined && protocol !== 'http/1.1' && connections > 1,
  )
  return [
    ...(isLocal
      ? [
          'the origin runs on this machine and shares its CPUs with the client: rates are those of both together',
        ]
      : []),
    ...(isLocal
      ? ["the origin's CPU is that of the processes that listen on its port, in ticks of 10 ms"]
      : []),
    ...(arrival.kind === 'closed'
      ? [
          'closed loop: whoever would have asked while an answer was late did not, so that tails look better than users find them; --rate shows them',
        ]
      : []),
    ...(arrival.kind === 'open'
      ? [
          'open loop: latency counts from when a request was due, and has in it up to a millisecond by which our timers are late',
        ]
      : []),
    ...(isCold ? ['cold: the time to make a client is in the latency'] : []),
    ...(isResumed
      ? [
          'resumed: a client takes the tickets of one that has ended; where more live at a time than ever before, those that still wait for theirs among them, one has none, and its handshake is a full one',
        ]
      : []),
    ...(names.includes('curl')
      ? ['curl: the start of its process is in its latency, and its first byte cannot be measured']
      : []),
    ...several.map(
      ({ name, connections }) =>
        `${name}: ${connections} pools of one connection each, asked in turns; one pool opens a second connection only when the first is full`,
    ),
    ...(conditions !== undefined && subjects.some(({ protocol }) => protocol === undefined)
      ? [
          'auto: HTTP/3 is found by a probe of the same port; what the origin advertises at another one would lead past the impairment, and is not followed',
        ]
      : []),
    ...(conditions === undefined ? [] : limits()),
  ]
}
