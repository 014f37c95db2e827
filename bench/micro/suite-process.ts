import type { Measurement } from '../../src/bench/results/scenario-result.ts'
import { type Allocations, sampleAllocations } from './allocations.ts'
import { type MicroTimes, measureCases } from './measure-case.ts'
import type { MicroCase } from './suite.ts'
import { loadSuite } from './suites.ts'

/** The process of one round of one suite: argv is a SuiteJob as JSON, the only message is its answer. */
export type SuiteJob =
  | ({ readonly type: 'round'; readonly suite: string } & MicroTimes)
  | { readonly type: 'sites'; readonly suite: string }

export interface RoundAnswer {
  readonly operation: string
  readonly cases: readonly MeasuredCase[]
}

export interface MeasuredCase extends Pick<MicroCase, 'name' | 'aimNs'> {
  readonly measurement: Measurement
}

export type SitesAnswer = readonly (Allocations & { readonly name: string; readonly operations: number })[]

const SITES_WARM_UP_CALLS = 300
const SITES_CALLS = 1_000

const job = JSON.parse(process.argv[2] ?? '') as SuiteJob // that is what our parent gives
const { operation, cases } = await loadSuite(job.suite)
const answer = job.type === 'round' ? round(job) : await sites()
process.send?.(answer, () => process.exit(0))

function round(times: MicroTimes): RoundAnswer {
  const measured = measureCases(cases, times).map(([{ name, aimNs }, measurement]) => ({
    name,
    ...(aimNs !== undefined && { aimNs }),
    measurement,
  }))
  return { operation, cases: measured }
}

async function sites(): Promise<SitesAnswer> {
  const answers: SitesAnswer[number][] = []
  for (const micro of cases.filter(({ hasSites }) => hasSites)) answers.push(await sitesOf(micro))
  return answers
}

async function sitesOf({ name, prepare, operationsPerCall }: MicroCase): Promise<SitesAnswer[number]> {
  const call = prepare()
  for (let i = 0; i < SITES_WARM_UP_CALLS; i++) call()
  const allocations = await sampleAllocations(() => {
    for (let i = 0; i < SITES_CALLS; i++) call()
  })
  return { name, operations: SITES_CALLS * operationsPerCall, ...allocations }
}
