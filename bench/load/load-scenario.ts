import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadJob } from '../../src/bench/load/load-job.ts'
import { runRounds } from '../../src/bench/load/rounds.ts'
import { fairOpponents, unfairNotes } from '../../src/bench/loss-fairness.ts'
import { formatNumber } from '../../src/bench/report/table.ts'
import { LOAD_METRICS, type LoadRound, loadMeasurement } from '../../src/bench/results/load-measurement.ts'
import {
  type CaseResult,
  judgeAims,
  type Measurement,
  type ScenarioResult,
  wireBetween,
} from '../../src/bench/results/scenario-result.ts'
import { summarizeLoad } from '../../src/bench/results/summaries.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'
import { planCpus } from '../lib/cpus.ts'
import type { BenchSettings, Scenario } from '../lib/scenario.ts'
import { runScoutedRounds } from './best-fixed.ts'
import {
  jobOf,
  type LoadCase,
  type LoadPlan,
  type LoadScenario,
  NO_CONDITIONS,
  planLoad,
} from './load-case.ts'
import { type LoadOrigins, startLoadOrigins } from './load-origins.ts'
import { delayedPath, type LoadPath, nearPath, openLossyPath } from './load-path.ts'
import {
  http3RivalsOf,
  type LoadSubject,
  otherHandshakes,
  type RunningSubject,
  referencesOf,
  startSubjectClient,
} from './load-subject.ts'

/** Between two runs, without loss: what was closed has its last packets delivered. */
const REST_MS = 100

/**
 * Runs a table of cases through the instrument: servers at one end of the path, each client in a process of
 * its own at the other.
 */
export function loadScenario(definition: LoadScenario): Scenario {
  return async settings => {
    const { name: scenario, description, columns } = definition
    const metrics = LOAD_METRICS.filter(({ key }) => columns.includes(key))
    const plan = planLoad(definition, settings, ({ kind }) => requireBinary(...PROGRAMS[kind]))
    const { unavailable } = plan
    const nothing: ScenarioResult = { scenario, description, metrics, cases: [], unavailable }
    if (plan.cases.length === 0) return nothing
    const opened = await openPath(definition)
    if ('unavailable' in opened)
      return { ...nothing, unavailable: [{ subject: 'all', because: opened.unavailable }] }
    await using path = opened.way
    await using origins = await startLoadOrigins(plan.origins, path, planCpus())
    const run = new ScenarioRun(definition, plan, settings, path, origins)
    try {
      const cases = await run.measure()
      const limits = [...path.limits, ...(definition.limits ?? [])]
      return { ...nothing, cases, unavailable: [...unavailable, ...run.unavailable], limits }
    } finally {
      await run.end()
    }
  }
}

const PROGRAMS = { nginx: ['nginx'], caddy: ['caddy', 'nginx'], unary: [], own: [] } as const

async function openPath({
  way,
  needsPackets,
}: LoadScenario): Promise<{ way: LoadPath } | { unavailable: string }> {
  if (way === undefined) return { way: nearPath() }
  return way === 'relays' ? { way: delayedPath() } : await openLossyPath(way, needsPackets)
}

class ScenarioRun {
  readonly unavailable: { subject: string; because: string }[] = []
  readonly #definition: LoadScenario
  readonly #plan: LoadPlan
  readonly #settings: BenchSettings
  readonly #path: LoadPath
  readonly #origins: LoadOrigins
  readonly #directory = makeTemporaryDirectory('load-clients')
  readonly #running = new Map<string, RunningSubject>()
  #started = 0

  constructor(
    definition: LoadScenario,
    plan: LoadPlan,
    settings: BenchSettings,
    path: LoadPath,
    origins: LoadOrigins,
  ) {
    this.#definition = definition
    this.#plan = plan
    this.#settings = settings
    this.#path = path
    this.#origins = origins
  }

  async measure(): Promise<CaseResult[]> {
    const results: CaseResult[] = []
    for (const [index, entry] of this.#plan.cases.entries()) {
      const subjects = await this.#startSubjects(entry)
      if (subjects.length > 0) results.push(await this.#measureCase(entry, index, subjects))
      if (this.#definition.hasOwnProcesses === true) await this.#endAll()
    }
    return results
  }

  async end(): Promise<void> {
    await this.#endAll()
    this.#directory.remove()
  }

  async #endAll(): Promise<void> {
    for (const { client } of this.#running.values()) await client[Symbol.asyncDispose]()
    this.#running.clear()
  }

  /**
   * Those of a case that can do it. A process is started once, and asked once for what it is going to be
   * asked for.
   */
  async #startSubjects(entry: LoadCase): Promise<RunningSubject[]> {
    const running: RunningSubject[] = []
    for (const subject of entry.subjects) {
      const known = this.#running.get(subject.name)
      if (known !== undefined) running.push(known)
      else if (!this.unavailable.some(other => other.subject === subject.name)) {
        const started = await this.#start(subject, entry)
        if ('because' in started) this.unavailable.push({ subject: subject.name, because: started.because })
        else running.push(started)
      }
    }
    return running
  }

  async #start(subject: LoadSubject, entry: LoadCase): Promise<RunningSubject | { because: string }> {
    const origin = this.#origins.byName.get(subject.origin)
    if (origin === undefined) throw new Error(`${subject.name}: no origin called ${subject.origin}`)
    await this.#path.impair(NO_CONDITIONS, 0)
    const stateDirectory = join(this.#directory.path, String(this.#started++))
    mkdirSync(stateDirectory)
    let started: RunningSubject | undefined
    try {
      started = await startSubjectClient(subject, {
        origin,
        ca: this.#origins.ca,
        stateDirectory,
        prefix: this.#path.clientPrefix,
        cpu: planCpus().subject,
      })
      const because = await started.whyUnfit(jobOf(entry, this.#settings, 0))
      if (because !== undefined) throw new Error(because)
      this.#running.set(subject.name, started)
      return started
    } catch (error) {
      await started?.client[Symbol.asyncDispose]()
      return { because: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) }
    }
  }

  async #measureCase(
    entry: LoadCase,
    index: number,
    subjects: readonly RunningSubject[],
  ): Promise<CaseResult> {
    const rounds = new Map<string, LoadRound[]>()
    const dismissed = await this.#measureRounds(entry, index, subjects, rounds)
    const { name, conditions = NO_CONDITIONS, aims = [], finish = unchanged } = entry
    const compared = entry.compared ?? this.#definition.compared
    const relayed = this.#path.relayed(conditions)
    const references = this.#definition.references ?? referencesOf(subjects)
    const rivals = http3RivalsOf(subjects)
    const result = summarizeLoad(rounds, {
      name,
      compared,
      references: fairOpponents(relayed, rounds, references),
      rivals: fairOpponents(relayed, rounds, rivals),
    })
    const unfair = unfairNotes(relayed, rounds, subject => [...references(subject), ...rivals(subject)])
    const notes = [...unfair, ...(result.notes ?? [])]
    const scouted = [...dismissed].map(([subject, one]) => ({
      subject: `${subject} (scouting only)`,
      rounds: [one],
      median: one,
    }))
    const table: CaseResult = {
      ...result,
      subjects: [...result.subjects, ...scouted],
      ...(aims.length > 0 && { aims: judgeAims(result, aims) }),
      ...(notes.length > 0 && { notes }),
    }
    return finish(table, rounds)
  }

  /** Fills in the rounds. Returns what the others showed of whom the scouting left out. */
  async #measureRounds(
    entry: LoadCase,
    index: number,
    subjects: readonly RunningSubject[],
    rounds: Map<string, LoadRound[]>,
  ): Promise<ReadonlyMap<string, Measurement>> {
    const { scouting, repeats = 1 } = entry
    const settings = this.#settings
    const seedOf = (round: number): number => settings.seed + 1_000 * index + round
    const measure = async (subject: RunningSubject, round: number): Promise<Measurement> => {
      const one = await this.#measureOnce(entry, subject, jobOf(entry, settings, seedOf(round)))
      const known = rounds.get(subject.name)
      if (known === undefined) rounds.set(subject.name, [one])
      else known.push(one)
      return this.#log(entry, `round ${round + 1} ${subject.name}`, one)
    }
    const count = settings.rounds * (settings.isQuick ? 1 : repeats)
    const warmUp = (subject: RunningSubject): Promise<void> => this.#warmUp(entry, subject)
    if (scouting === undefined) {
      // In the order of the table, whoever is measured first.
      for (const { name } of subjects) rounds.set(name, [])
      await runRounds<RunningSubject>({ subjects, rounds: count, warmUp, measure })
      return new Map()
    }
    const { dismissed } = await runScoutedRounds<RunningSubject>({
      subjects,
      isSet: ({ name }) => name === scouting.always,
      warmUp,
      scout: async subject => {
        const job = jobOf({ ...entry, ...scouting }, settings, seedOf(count))
        const one = await this.#measureOnce(entry, subject, job)
        return this.#log(entry, `scouting ${subject.name}`, one)
      },
      metric: entry.compared?.[0] ?? this.#definition.compared[0] ?? '',
      factor: scouting.factor,
      rounds: count,
      measure,
    })
    return dismissed
  }

  /** Compiles the code, and brings tickets to those that keep them. What is kept is warmed by its job. */
  async #warmUp(entry: LoadCase, subject: RunningSubject): Promise<void> {
    const settings = this.#settings
    // In a quick run who answers one request of each kind works, unless it is the code that is slow at first.
    const runs = settings.isQuick ? Math.min(1, (entry.warmUps ?? 1) - 1) : (entry.warmUps ?? 1)
    const { measure, ...job } = jobOf(entry, settings, 0)
    const seconds = Math.min(measure.seconds, settings.warmUpSeconds)
    for (let run = 0; run < runs; run++)
      await subject.client.run({ ...job, measure: { ...measure, seconds } })
  }

  async #measureOnce(
    { conditions = NO_CONDITIONS, settleMs = 0 }: LoadCase,
    { subject, client, originCpuMs }: RunningSubject,
    job: LoadJob,
  ): Promise<LoadRound> {
    await this.#path.impair(conditions, job.seed)
    const roundTripMs = this.#path.roundTripMs(subject.protocol === 'h3' ? 'udp' : 'tcp')
    const read = async () => ({ passed: await this.#path.passed(), cpuMs: originCpuMs() })
    let before = await read()
    const report = await client.run(job, async () => {
      await sleep(settleMs)
      before = await read()
    })
    const after = await read()
    await this.#path.impair(NO_CONDITIONS, 0)
    await sleep(REST_MS)
    const because = otherHandshakes(subject, report.opened)
    if (because !== undefined) throw new Error(`${subject.name}: ${because}`)
    return {
      job,
      report,
      originCpuMs: after.cpuMs - before.cpuMs,
      wire: before.passed && after.passed && wireBetween(before.passed, after.passed),
      roundTripMs,
    }
  }

  #log({ name, compared }: LoadCase, what: string, round: LoadRound): Measurement {
    const measurement = loadMeasurement(round)
    const shown = (compared ?? this.#definition.compared).map(
      key => `${key} ${formatNumber(measurement[key])}`,
    )
    this.#settings.log(`  ${name} ${what}: ${shown.join(', ')}, ${measurement['failures']} failed`)
    return measurement
  }
}

function unchanged(result: CaseResult): CaseResult {
  return result
}
