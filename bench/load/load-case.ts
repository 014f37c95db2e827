import type { Arrival, LoadJob, RequestKind } from '../../src/bench/load/load-job.ts'
import type { LoadRound } from '../../src/bench/results/load-measurement.ts'
import type { Aim, CaseResult } from '../../src/bench/results/scenario-result.ts'
import { type BenchSettings, chooseSubjects } from '../lib/scenario.ts'
import type { OriginPlan } from './load-origin-config.ts'
import type { CongestionControl, LinkConditions } from './load-path.ts'
import type { LoadSubject } from './load-subject.ts'

/** What is measured, as data: load-scenario.ts does it. */
export interface LoadScenario {
  readonly name: string
  /** One sentence: what is done. */
  readonly description: string
  /**
   * Over a path that delays and loses packets, TCP with that congestion control; `relays`: that delays, with
   * no congestion control at all, and is measured before it is used; undefined: over loopback.
   */
  readonly way?: CongestionControl | 'relays'
  /** Where packets cannot be lost, nothing is measured. Default: relays stand in for it. */
  readonly needsPackets?: boolean
  /**
   * Each case has processes of its own: what another one has compiled and kept in memory is in none of its
   * figures. Default: a process lives as long as the scenario.
   */
  readonly hasOwnProcesses?: boolean
  /** By the names that subjects have for them. */
  readonly origins: Readonly<Record<string, OriginPlan>>
  readonly cases: readonly LoadCase[]
  /** Keys of LOAD_METRICS. */
  readonly columns: readonly string[]
  /** Those of them that subjects are compared by, round by round. */
  readonly compared: readonly string[]
  /** With whom a subject is compared. Default: ours with the others at its origin, and with our HTTP/1.1. */
  readonly references?: (subject: string) => readonly string[]
  /** What its figures do not show, a line each, beside what its path does not. */
  readonly limits?: readonly string[]
}

/** One table: the same work for every subject. */
export interface LoadCase {
  readonly name: string
  readonly subjects: readonly LoadSubject[]
  /** Default: none. */
  readonly conditions?: LinkConditions
  readonly requests: readonly RequestKind[]
  readonly arrival: Arrival
  /** See LoadJob. Default `kept`. */
  readonly client?: LoadJob['client']
  /** Before each measurement, and not counted: requests, or as many as go in that time. Default none. */
  readonly warmUpRequests?: number
  readonly warmUpSeconds?: number
  /** Between the warm-up and the measurement: credit and acknowledgments of the former arrive. Default 0. */
  readonly settleMs?: number
  /** Runs of the job before the first round, without conditions: Node compiles. Default 1. */
  readonly warmUps?: number
  /** A measurement ends after so many requests. Default: by its time alone. */
  readonly maxRequests?: number
  /**
   * A measurement lasts so many times `--seconds`. Default 1; undefined `maxRequests` and time end it,
   * whichever is first.
   */
  readonly timeFactor?: number
  /**
   * Measurements for each round of `--rounds`: of short ones it takes more. Default 1; one in a quick run.
   */
  readonly repeats?: number
  /** See LoadJob: no request is timed. */
  readonly isCountOnly?: boolean
  /** Left out of a quick run. */
  readonly isLong?: boolean
  /** The name of its body; left out of a run whose `--sizes` has others. Undefined: never. */
  readonly size?: string
  /** Instead of those of the scenario. */
  readonly compared?: readonly string[]
  readonly aims?: readonly Aim[]
  readonly scouting?: Scouting
  /** The last word on the table: verdicts and notes that only this case has. */
  readonly finish?: (result: CaseResult, rounds: ReadonlyMap<string, readonly LoadRound[]>) => CaseResult
}

/**
 * Before the rounds a short run of each subject but one: whoever takes `factor` times as long as the best of
 * them is measured no more.
 */
interface Scouting {
  /** Measured whatever the scouting finds. */
  readonly always: string
  readonly factor: number
  /** Of `--seconds`. */
  readonly timeFactor: number
  /** Those that wait for the handshake, which may have been lost and would cost a second. */
  readonly warmUpRequests: number
}

export const NO_CONDITIONS: LinkConditions = { roundTripMs: 0, lossRate: 0 }

/** No measurement takes longer than this beyond its time, whatever is lost. */
const PATIENCE_SECONDS = 30

/** A case's work in one round. */
export function jobOf(entry: LoadCase, { seconds }: BenchSettings, seed: number): LoadJob {
  const {
    requests,
    arrival,
    client = 'kept',
    warmUpRequests = 0,
    warmUpSeconds,
    maxRequests,
    timeFactor = 1,
  } = entry
  const measureSeconds = seconds * timeFactor
  return {
    requests,
    arrival,
    client,
    warmUp:
      warmUpSeconds === undefined
        ? { requests: warmUpRequests, seconds: PATIENCE_SECONDS }
        : { requests: Number.POSITIVE_INFINITY, seconds: warmUpSeconds },
    measure: { requests: maxRequests ?? Number.POSITIVE_INFINITY, seconds: measureSeconds },
    deadlineSeconds: measureSeconds + PATIENCE_SECONDS,
    seed,
    ...(entry.isCountOnly === true && { isCountOnly: true }),
  }
}

/** What of a scenario is measured in this run. */
export interface LoadPlan {
  /** With the subjects that are wanted and have an origin here. */
  readonly cases: readonly LoadCase[]
  /** Those that they need. */
  readonly origins: Readonly<Record<string, OriginPlan>>
  readonly unavailable: readonly { readonly subject: string; readonly because: string }[]
}

/**
 * `missing` says why an origin cannot run here; undefined: it can. Throws when none of the subjects is one
 * that the command line asks for.
 */
export function planLoad(
  definition: LoadScenario,
  settings: Pick<BenchSettings, 'subjects' | 'cases' | 'sizes' | 'isQuick'>,
  missing: (plan: OriginPlan) => string | undefined,
): LoadPlan {
  const { origins } = definition
  const cases = chooseCases(definition.cases, settings.cases)
  const all = cases.flatMap(({ subjects }) => subjects)
  const names = chooseSubjects(namesOf(all), settings, namesOf(all.filter(({ isExtra }) => !isExtra)))
  const absent = new Map<string, string>()
  for (const [name, plan] of Object.entries(origins)) {
    const because = missing(plan)
    if (because !== undefined) absent.set(name, because)
  }
  const wanted = cases
    .filter(({ isLong }) => !(settings.isQuick && isLong === true))
    .filter(({ size }) => size === undefined || settings.sizes.includes(size))
    .map(entry => ({ ...entry, subjects: entry.subjects.filter(({ name }) => names.includes(name)) }))
  const unavailable = new Map(
    wanted.flatMap(({ subjects }) => subjects).map(({ name, origin }) => [name, absent.get(origin)] as const),
  )
  const able = wanted
    .map(entry => ({ ...entry, subjects: entry.subjects.filter(({ origin }) => !absent.has(origin)) }))
    .filter(({ subjects }) => subjects.length > 0)
  const needed = new Set(able.flatMap(({ subjects }) => subjects.map(({ origin }) => origin)))
  return {
    cases: able,
    origins: Object.fromEntries(Object.entries(origins).filter(([name]) => needed.has(name))),
    unavailable: [...unavailable].flatMap(([subject, because]) =>
      because === undefined ? [] : [{ subject, because }],
    ),
  }
}

/** None at all is a slip of the hand. */
function chooseCases(all: readonly LoadCase[], wanted: readonly string[]): readonly LoadCase[] {
  if (wanted.length === 0) return all
  const chosen = all.filter(({ name }) => wanted.some(part => name.includes(part)))
  if (chosen.length > 0) return chosen
  const names = all.map(({ name }) => name).join('; ')
  throw new Error(`no case has any of these in its name: ${wanted.join(', ')}; there are ${names}`)
}

function namesOf(subjects: readonly LoadSubject[]): string[] {
  return [...new Set(subjects.map(({ name }) => name))]
}
