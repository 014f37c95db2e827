import { formatNumber } from '../../../src/bench/report/table.ts'
import { type LoadRound, loadMeasurement } from '../../../src/bench/results/load-measurement.ts'
import type { CaseResult } from '../../../src/bench/results/scenario-result.ts'
import type { Estimate } from '../../../src/bench/results/statistics.ts'
import type { Scenario } from '../../lib/scenario.ts'
import { judgeAgainstBest, rankSubjects } from '../../load/best-fixed.ts'
import type { LoadCase } from '../../load/load-case.ts'
import type { CongestionControl } from '../../load/load-path.ts'
import { loadScenario } from '../../load/load-scenario.ts'
import { get, MIDDLEMILE, subject } from '../../load/load-tables.ts'

const ROUND_TRIP_MS = 40
const AUTO = 'auto'
const LOSSES = [0, 0.01, 0.02, 0.05] as const
/** Of a quick run: whether the bench works. */
const QUICK_LOSS = 0.02

/**
 * `share` of `--seconds` is how long one run measures. Of large bodies there are fewer, and their times vary
 * more.
 */
const WORKS = [
  { size: '1k', concurrency: 5, share: 1 / 3 },
  { size: '100k', concurrency: 10, share: 1 / 2 },
] as const

const AT_MOST = 1.05
const LEARNING_REQUESTS = 50
/** In a short run of everyone, who takes this much longer than the best one is out. */
const CONTENDER = 1.5
const SCOUT_SHARE = 1 / 4

/**
 * Does the transport that chooses for itself keep up with the best of those that are held to one protocol,
 * whatever the path loses? Which one is the best depends on the path, on the bodies and on the origin's TCP,
 * of which there is a scenario each.
 */
export function selectLoss(congestionControl: CongestionControl): Scenario {
  return loadScenario({
    name: congestionControl === 'cubic' ? 'select-loss' : `select-loss-${congestionControl}`,
    description: `our client and caddy (HTTP/1.1, HTTP/2, HTTP/3) in two network namespaces, ${ROUND_TRIP_MS} ms of round trip, a share of all packets lost in either direction, no limit of bandwidth; TCP with ${congestionControl} at both ends, QUIC with what caddy has; a new transport for each round, whose first ${LEARNING_REQUESTS} requests count apart`,
    way: congestionControl,
    needsPackets: true,
    origins: { caddy: { kind: 'caddy' } },
    cases: WORKS.flatMap(work => LOSSES.map(loss => caseOf(work, loss))),
    columns: [
      'meanMs',
      'p50Ms',
      'p95Ms',
      'requests',
      'learningMeanMs',
      'http1Percent',
      'h2Percent',
      'h3Percent',
      'connections',
      'failures',
    ],
    compared: ['meanMs', 'p95Ms'],
    references: () => [],
  })
}

function caseOf({ size, concurrency, share }: (typeof WORKS)[number], loss: number): LoadCase {
  return {
    name: `${size} x ${concurrency}, ${100 * loss} % loss`,
    size,
    subjects: [
      subject('http/1.1', MIDDLEMILE, 'caddy', { protocol: 'http/1.1', isExtra: true }),
      subject('h2', MIDDLEMILE, 'caddy', { protocol: 'h2' }),
      subject('h3', MIDDLEMILE, 'caddy', { protocol: 'h3' }),
      subject(AUTO, MIDDLEMILE, 'caddy', {}),
    ],
    conditions: { roundTripMs: ROUND_TRIP_MS, lossRate: loss },
    requests: [get(size)],
    arrival: { kind: 'closed', concurrency },
    client: 'fresh',
    warmUpRequests: LEARNING_REQUESTS,
    timeFactor: share,
    isLong: loss !== QUICK_LOSS,
    scouting: { always: AUTO, factor: CONTENDER, timeFactor: SCOUT_SHARE, warmUpRequests: concurrency },
    finish: judge,
  }
}

function judge(result: CaseResult, rounds: ReadonlyMap<string, readonly LoadRound[]>): CaseResult {
  const measured = new Map([...rounds].map(([name, all]) => [name, all.map(loadMeasurement)]))
  const notes = rankSubjects(measured, 'meanMs').map(
    ({ subject: name, estimate }) => `${name}: mean of the rounds ${withError(estimate)} ms`,
  )
  const verdict = judgeAgainstBest(measured, AUTO, 'meanMs', AT_MOST)
  if (verdict !== undefined) notes.push(`${AUTO} / ${verdict.aim.to}: ${withError(verdict.ratio)}`)
  const auto = rounds.get(AUTO) ?? []
  notes.push(...auto.map((round, index) => `${AUTO}, round ${index + 1}: ${whatItDid(round)}`))
  const last = auto.at(-1)?.report.decisions?.at(-1)
  if (last !== undefined) notes.push(`${AUTO}, last decision: ${last.because}`)
  return {
    ...result,
    aims: verdict === undefined ? [] : [verdict.aim],
    notes: [...(result.notes ?? []), ...notes],
  }
}

/** Who carried, and what was decided when. */
function whatItDid({ report }: LoadRound): string {
  const { warmUp, byProtocol, decisions = [] } = report
  const decided = decisions.map(({ lane, rule, afterRequests }) => `${lane} (${rule}) after ${afterRequests}`)
  return `first ${LEARNING_REQUESTS}: ${listed(warmUp?.byProtocol ?? {})}; then: ${listed(byProtocol)}; decided: ${decided.join(', ') || 'nothing'}`
}

/** `h2 41, h3 9`: the busiest first. */
function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

function withError({ value, plusMinus }: Estimate): string {
  return Number.isFinite(plusMinus)
    ? `${formatNumber(value)} ± ${formatNumber(plusMinus)}`
    : formatNumber(value)
}
