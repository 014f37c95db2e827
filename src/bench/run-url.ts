import { lookup } from 'node:dns/promises'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PathConditions } from './impair/conditions.ts'
import { type ImpairedPath, startImpairedPath } from './impair/impaired-path.ts'
import type { ClientSetting } from './load/bench-client.ts'
import type { LoadJob } from './load/load-job.ts'
import type { LoadReport } from './load/load-tally.ts'
import { runRounds } from './load/rounds.ts'
import { type StartedClient, startClient } from './load/start-client.ts'
import { cpuMsOf, listeningProcesses } from './local-origin.ts'
import { type LoadRound, loadMeasurement } from './results/load-measurement.ts'
import { type Measurement, type ScenarioResult, wireBetween, wireOf } from './results/scenario-result.ts'
import type { UrlSubject } from './url-plan.ts'
import { hostOf, portOf, type UrlPlan } from './url-plan.ts'
import { urlResult } from './url-result.ts'

export interface UrlHooks {
  /** Ends the run; what was measured so far is the result. */
  readonly signal: AbortSignal
  /** The origin is on this machine, so that its CPU may be seen. */
  readonly isLocal: boolean
  /** Something that a user has to know, in a line. */
  readonly log: (line: string) => void
  /** What begins now. */
  readonly onStep?: (step: RunStep) => void
}

/** One run of one subject: a warm-up, or its measurement in a round. */
export interface RunStep {
  readonly subject: string
  readonly what: string
  /** Of `total` steps so many are over. */
  readonly done: number
  readonly total: number
}

export interface UrlOutcome {
  readonly result: ScenarioResult
  /** Of all measured requests. */
  readonly failures: number
  readonly measured: number
  /** Why not all rounds were measured. Undefined: they were. */
  readonly brokenOff: string | undefined
}

/** Beyond the time of a job: what has not ended by then has failed. */
const PATIENCE_SECONDS = 15

const NOTHING: LoadJob['warmUp'] = { requests: 0, seconds: 0 }

/** [D] Measures every subject at a URL, in interleaved rounds. Rejects only when the path cannot be made. */
export async function runUrl(plan: UrlPlan, hooks: UrlHooks): Promise<UrlOutcome> {
  if (plan.conditions === undefined) return await runOver(undefined, plan, hooks)
  await using path = await startPath(plan, plan.conditions)
  return await runOver(path, plan, hooks)
}

async function runOver(path: ImpairedPath | undefined, plan: UrlPlan, hooks: UrlHooks): Promise<UrlOutcome> {
  const { signal, isLocal } = hooks
  const endpoint = path === undefined ? undefined : `${path.host}:${path.port}`
  const running: RunningSubject[] = []
  const unavailable: { subject: string; because: string }[] = []
  const rounds = new Map<string, LoadRound[]>()
  const stopAll = async (): Promise<void> => {
    await Promise.all(running.map(subject => subject[Symbol.asyncDispose]()))
  }
  const onAbort = (): void => void stopAll()
  signal.addEventListener('abort', onAbort, { once: true })
  let brokenOff: string | undefined
  try {
    for (const subject of plan.subjects) {
      if (signal.aborted) break
      hooks.onStep?.({
        subject: subject.name,
        what: 'one request',
        done: 0,
        total: stepsOf(plan, plan.subjects.length),
      })
      try {
        running.push(await startSubject(subject, plan, endpoint, signal))
      } catch (error) {
        const because = reasonOf(error)
        if (signal.aborted) break
        unavailable.push({ subject: subject.name, because })
        hooks.log(`${subject.name}: not measured: ${because}`)
      }
    }
    await measureAll(plan, hooks, path, running, rounds)
  } catch (error) {
    brokenOff = reasonOf(error)
  } finally {
    signal.removeEventListener('abort', onAbort)
    await stopAll()
  }
  if (signal.aborted) brokenOff = 'it was interrupted'
  const reports = [...rounds.values()].flat().map(({ report }) => report)
  return {
    result: urlResult(plan, { rounds, unavailable, brokenOff, isLocal }),
    failures: reports.reduce((sum, { failures }) => sum + failures, 0),
    measured: reports.reduce((sum, { requests }) => sum + requests, 0),
    brokenOff,
  }
}

async function measureAll(
  plan: UrlPlan,
  { signal, isLocal, onStep }: UrlHooks,
  path: ImpairedPath | undefined,
  subjects: readonly RunningSubject[],
  rounds: Map<string, LoadRound[]>,
): Promise<void> {
  const origin = isLocal ? listeningProcesses(portOf(plan.url)) : []
  const originCpuMs = (): number | undefined => (origin.length === 0 ? undefined : cpuMsOf(origin))
  const total = stepsOf(plan, subjects.length)
  let done = 0
  const run = async ({ name, client }: RunningSubject, what: string, job: LoadJob): Promise<LoadReport> => {
    signal.throwIfAborted()
    onStep?.({ subject: name, what, done, total })
    const report = await client.run(job)
    done++
    return report
  }
  await runRounds<RunningSubject>({
    subjects,
    rounds: plan.rounds,
    async warmUp(subject) {
      if (hasWarmUp(plan)) await run(subject, 'warm-up', jobOf(plan, plan.warmUp, 0))
    },
    async measure(subject, round): Promise<Measurement> {
      const job = jobOf(plan, plan.measure, round + 1)
      const before = originCpuMs()
      const passedBefore = path && wireOf(await path.counts())
      const report = await run(subject, `round ${round + 1} of ${plan.rounds}`, job)
      const after = originCpuMs()
      const passedAfter = path && wireOf(await path.counts())
      const measured: LoadRound = {
        job,
        report,
        ...(passedBefore && passedAfter && { wire: wireBetween(passedBefore, passedAfter) }),
        ...(before !== undefined && after !== undefined && { originCpuMs: after - before }),
      }
      const own = rounds.get(subject.name)
      if (own === undefined) rounds.set(subject.name, [measured])
      else own.push(measured)
      return loadMeasurement(measured)
    },
  })
}

function hasWarmUp({ warmUp }: UrlPlan): boolean {
  return warmUp.requests > 0 && warmUp.seconds > 0
}

/** Of so many subjects: their warm-ups and rounds. */
function stepsOf(plan: UrlPlan, subjects: number): number {
  return subjects * (plan.rounds + (hasWarmUp(plan) ? 1 : 0))
}

/** Rounds differ in their seeds, subjects of a round do not. */
function jobOf(plan: UrlPlan, measure: LoadJob['measure'], number: number): LoadJob {
  return {
    requests: [plan.request],
    arrival: plan.arrival,
    warmUp: NOTHING,
    measure,
    client: plan.isCold ? 'each' : 'kept',
    deadlineSeconds: measure.seconds + PATIENCE_SECONDS,
    seed: plan.seed + number,
  }
}

async function startPath({ url, resolve, seed }: UrlPlan, conditions: PathConditions): Promise<ImpairedPath> {
  const port = portOf(url)
  const host = resolve[`${hostOf(url)}:${port}`] ?? (await lookup(hostOf(url))).address
  return await startImpairedPath({
    host,
    tcpPort: port,
    ...(url.protocol === 'https:' && { udpPort: port }),
    conditions,
    seed,
  })
}

/** Of a stack the first line: the rest is ours, and tells users nothing. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1).join('')
}

/** One whose process runs, and that has answered. */
interface RunningSubject extends AsyncDisposable {
  readonly name: string
  readonly client: StartedClient
}

/** Longer than a connect and its handshake may take. */
const TRIAL_SECONDS = 20

/** Of those that run: who interrupts a second time does not wait until they have ended. */
const ticketDirectories = new Set<string>()
process.once('exit', () => {
  for (const directory of ticketDirectories) removeTickets(directory)
})

function removeTickets(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  ticketDirectories.delete(directory)
}

/** Starts its process and asks once. Rejects with the reason why it cannot be measured. */
async function startSubject(
  { name, client: program, protocol, connections }: UrlSubject,
  plan: UrlPlan,
  endpoint: string | undefined,
  signal: AbortSignal,
): Promise<RunningSubject> {
  if (program.isColdOnly === true && !plan.isCold)
    throw new Error(
      'it is a process for each request, so that each of them is cold: measured with --cold only',
    )
  const stateDirectory = plan.isResumed ? mkdtempSync(join(tmpdir(), 'middlemile-bench-')) : undefined
  if (stateDirectory !== undefined) ticketDirectories.add(stateDirectory)
  const forget = (): void => {
    if (stateDirectory !== undefined) removeTickets(stateDirectory)
  }
  const setting: ClientSetting = {
    origins: [plan.url.origin],
    ca: plan.ca,
    resolve: plan.resolve,
    endpoint,
    connections,
    ...(protocol !== undefined && { protocols: [protocol] }),
    stateDirectory,
    earlyData: plan.isEarly,
  }
  try {
    const module = new URL(`./clients/${program.file}.js`, import.meta.url).href
    const client = await startClient({ module, make: program.make, setting })
    const stop = (): void => void client[Symbol.asyncDispose]()
    signal.addEventListener('abort', stop, { once: true })
    try {
      signal.throwIfAborted()
      await askOnce(client, plan, protocol)
    } catch (error) {
      await client[Symbol.asyncDispose]()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
    }
    return {
      name,
      client,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]()
        forget()
      },
    }
  } catch (error) {
    forget()
    throw error
  }
}

async function askOnce(client: StartedClient, plan: UrlPlan, protocol: string | undefined): Promise<void> {
  const once: LoadJob = {
    requests: [plan.request],
    arrival: { kind: 'closed', concurrency: 1 },
    warmUp: { requests: 0, seconds: 0 },
    measure: { requests: 1, seconds: TRIAL_SECONDS },
    client: 'fresh',
    deadlineSeconds: TRIAL_SECONDS,
    seed: plan.seed,
  }
  const { failures, firstFailure, byProtocol } = await client.run(once)
  if (failures > 0) throw new Error(firstFailure ?? 'its request failed')
  const [carrier] = Object.keys(byProtocol)
  if (protocol !== undefined && carrier !== undefined && carrier !== protocol)
    throw new Error(`it was asked for ${protocol}, and ${carrier} carried the request`)
}
