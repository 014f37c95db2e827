import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runRounds } from '../../src/bench/load/rounds.ts'
import { fairOpponents, unfairNotes } from '../../src/bench/loss-fairness.ts'
import { formatNumber } from '../../src/bench/report/table.ts'
import { LOAD_METRICS, type LoadRound, loadMeasurement } from '../../src/bench/results/load-measurement.ts'
import type { CaseResult, ScenarioResult } from '../../src/bench/results/scenario-result.ts'
import { wireBetween } from '../../src/bench/results/scenario-result.ts'
import { summarizeLoad } from '../../src/bench/results/summarize-load.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'
import { planCpus } from './cpus.ts'
import { jobOf, type LoadCase, type LoadScenario, NO_CONDITIONS } from './load-case.ts'
import { type LoadPlan, planLoad } from './load-plan.ts'
import {
  http3RivalsOf,
  type LoadSubject,
  type RunningSubject,
  referencesOf,
  startSubjectClient,
} from './load-subject.ts'
import { type LoadOrigins, startLoadOrigins } from './origins/load-origins.ts'
import { type LoadPath, nearPath, openLossyPath } from './origins/load-path.ts'
import type { BenchSettings, Scenario } from './scenario.ts'

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
    const opened = definition.way === undefined ? { way: nearPath() } : await openLossyPath(definition.way)
    if ('unavailable' in opened)
      return { ...nothing, unavailable: [{ subject: 'all', because: opened.unavailable }] }
    await using way = opened.way
    await using origins = await startLoadOrigins(plan.origins, way, planCpus().origin)
    const run = new ScenarioRun(plan, definition.compared, settings, way, origins)
    try {
      const cases = await run.measure()
      const limits = [...way.limits, ...(definition.limits ?? [])]
      return { ...nothing, cases, unavailable: [...unavailable, ...run.unavailable], limits }
    } finally {
      await run.end()
    }
  }
}

const PROGRAMS = { nginx: ['nginx'], caddy: ['caddy', 'nginx'], unary: [], own: [] } as const

class ScenarioRun {
  readonly unavailable: { subject: string; because: string }[] = []
  readonly #plan: LoadPlan
  readonly #compared: readonly string[]
  readonly #settings: BenchSettings
  readonly #way: LoadPath
  readonly #origins: LoadOrigins
  readonly #directory = makeTemporaryDirectory('load-clients')
  readonly #running = new Map<string, RunningSubject>()

  constructor(
    plan: LoadPlan,
    compared: readonly string[],
    settings: BenchSettings,
    way: LoadPath,
    origins: LoadOrigins,
  ) {
    this.#plan = plan
    this.#compared = compared
    this.#settings = settings
    this.#way = way
    this.#origins = origins
  }

  async measure(): Promise<CaseResult[]> {
    const results: CaseResult[] = []
    for (const [index, entry] of this.#plan.cases.entries()) {
      const subjects = await this.#startSubjects(entry)
      if (subjects.length > 0) results.push(await this.#measureCase(entry, index, subjects))
    }
    return results
  }

  async end(): Promise<void> {
    for (const { client } of this.#running.values()) await client[Symbol.asyncDispose]()
    this.#directory.remove()
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
    await this.#way.impair(NO_CONDITIONS, 0)
    const stateDirectory = join(this.#directory.path, subject.name.replaceAll(/\W+/g, '-'))
    mkdirSync(stateDirectory)
    let started: RunningSubject | undefined
    try {
      started = await startSubjectClient(subject, {
        origin,
        ca: this.#origins.ca,
        stateDirectory,
        prefix: this.#way.clientPrefix,
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
    const { name, conditions = NO_CONDITIONS, repeats = 1 } = entry
    const settings = this.#settings
    const rounds = new Map<string, LoadRound[]>(subjects.map(subject => [subject.name, []]))
    await runRounds<RunningSubject>({
      subjects,
      rounds: settings.rounds * (settings.isQuick ? 1 : repeats),
      warmUp: async subject => {
        // Who answers one request of each kind works.
        if (settings.isQuick) return
        const { measure, ...job } = jobOf(entry, settings, 0)
        // Compiles the code. What is kept between rounds is warmed by its job.
        const seconds = Math.min(measure.seconds, settings.warmUpSeconds)
        await subject.client.run({ ...job, measure: { ...measure, seconds } })
      },
      measure: async (subject, round) => {
        const seed = settings.seed + 1_000 * index + round
        const job = jobOf(entry, settings, seed)
        await this.#way.impair(conditions, seed)
        const read = async () => ({ passed: await this.#way.passed(), cpuMs: subject.originCpuMs() })
        let before = await read()
        const report = await subject.client.run(job, async () => {
          before = await read()
        })
        const after = await read()
        const originCpuMs = after.cpuMs - before.cpuMs
        const wire = before.passed && after.passed && wireBetween(before.passed, after.passed)
        await this.#way.impair(NO_CONDITIONS, 0)
        await sleep(REST_MS)
        const one: LoadRound = { job, report, originCpuMs, wire }
        rounds.get(subject.name)?.push(one)
        return loadMeasurement(one)
      },
      onMeasured: (subject, round, measurement) => {
        const shown = this.#compared.map(key => `${key} ${formatNumber(measurement[key])}`)
        settings.log(
          `  ${name} round ${round + 1} ${subject.name}: ${shown.join(', ')}, ${measurement['failures']} failed`,
        )
      },
    })
    const relayed = this.#way.relayed(conditions)
    const [references, rivals] = [referencesOf(subjects), http3RivalsOf(subjects)]
    const result = summarizeLoad(rounds, {
      name,
      compared: this.#compared,
      references: fairOpponents(relayed, rounds, references),
      rivals: fairOpponents(relayed, rounds, rivals),
    })
    const unfair = unfairNotes(relayed, rounds, subject => [...references(subject), ...rivals(subject)])
    const notes = [...unfair, ...(result.notes ?? [])]
    return { ...result, ...(notes.length > 0 && { notes }) }
  }
}
