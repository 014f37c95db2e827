import {
  type Aim,
  judgeAims,
  type Measurement,
  type ScenarioResult,
} from '../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../src/bench/results/summaries.ts'
import { MICRO_METRICS } from './micro-metrics.ts'
import type { RoundAnswer } from './suite-process.ts'

const LIMITS = [
  'ns: what the quickest tenth of the calls of a round took; what comes seldom, as garbage collection, is in CPU ns only.',
  'CPU ns: user and system time of the whole process, V8’s own threads included, over the operations of a round.',
  'Bytes: what became longer in memory; how many objects it were Node does not tell.',
]

/**
 * A suite as a scenario of the bench: its cases are the rows of one table. `failures`: rounds that came to
 * nothing, and why.
 */
export function summarizeSuite(
  suite: string,
  rounds: readonly RoundAnswer[],
  failures: readonly string[],
): ScenarioResult {
  const operation = rounds[0]?.operation ?? 'operation'
  const measurements = new Map<string, Measurement[]>()
  const aims = new Map<string, Aim>()
  for (const { name, aimNs, measurement } of rounds.flatMap(({ cases }) => cases)) {
    const ofCase = measurements.get(name) ?? []
    ofCase.push(measurement)
    measurements.set(name, ofCase)
    if (aimNs !== undefined) aims.set(name, { subject: name, metric: 'cpuNs', atMost: aimNs })
  }
  const table = summarizeCase(`per ${operation}`, measurements, [], () => [])
  return {
    scenario: `micro/${suite}`,
    description: `parts of the code in memory, figures per ${operation}`,
    metrics: MICRO_METRICS.map(({ key, title, better }) => ({ key, title, ...(better && { better }) })),
    cases: rounds.length === 0 ? [] : [{ ...table, aims: judgeAims(table, [...aims.values()]) }],
    unavailable: failures.map(because => ({ subject: `a round of ${suite}`, because })),
    limits: LIMITS,
  }
}
