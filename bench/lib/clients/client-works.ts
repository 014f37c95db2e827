import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import { type Aim, judgeAims } from '../../../src/bench/results/aims.ts'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import type { CaseResult, Metric } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summarize-case.ts'
import type { ClientJob } from '../../clients/client-job.ts'
import type { BodySize } from '../body-sizes.ts'
import type { BenchSettings } from '../scenario.ts'
import { clientMeasurement } from '../scenario.ts'
import {
  type ClientSubject,
  type StartedSubject,
  type SubjectOrigin,
  startSubject,
} from './client-subjects.ts'

/** What clients are made to do, without an ingress. */
export interface ClientWork {
  size: BodySize
  concurrency: number
  /**
   * Where the origin runs. `together`: on the client's CPU, so that the two take turns and what waits for one
   * has gathered when its turn comes, as it does for a busy process. `apart`: on another CPU; over loopback
   * the two then hand each other one or two requests at a time, and the figure is that of waking a neighbor.
   * Half of its cost can be that.
   */
  placement: 'together' | 'apart'
  /** The figure that counts. */
  metric: 'requestsPerCpuSecond' | 'megabytesPerCpuSecond'
  aims: readonly Aim[]
}

/** An origin of one placement. */
export interface WorkOrigin extends SubjectOrigin {
  /** Accepted so far, of whatever protocol. */
  connections(): Promise<number>
}

export interface ClientWorkOptions {
  /** Every one as its users would drive it at this concurrency. */
  subjectsAt(concurrency: number): readonly ClientSubject[]
  /** Those that can be measured, and are asked for. */
  names: readonly string[]
  /** It is compared with all others. */
  ours: string
  origin: WorkOrigin
  cpu: number | undefined
}

/**
 * The process counts its own CPU time by the microsecond: rounds need not be as long as where /proc counts it
 * in ticks.
 */
const MAX_SECONDS = 3

export const CLIENT_WORK_METRICS: readonly Metric[] = [
  { key: 'requestsPerCpuSecond', title: 'req/CPU-s', better: 'more' },
  { key: 'megabytesPerCpuSecond', title: 'MB/CPU-s', better: 'more' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'connections', title: 'connections' },
  { key: 'rssMiB', title: 'RSS MiB', better: 'less' },
  { key: 'cpuShare', title: 'CPU share' },
  { key: 'failures', title: 'failed', better: 'less' },
]

/** Those of the wanted sizes; of a quick run one of each. */
export function chooseWorks(
  works: readonly ClientWork[],
  sizes: readonly BodySize[],
  { isQuick }: BenchSettings,
): readonly ClientWork[] {
  if (!isQuick) return works.filter(({ size }) => sizes.includes(size))
  return sizes.flatMap(wanted => works.filter(({ size }) => size === wanted).slice(-1))
}

/** One table: rounds of the same work for each subject, each in a process of its own. */
export async function measureClientWork(
  work: ClientWork,
  { subjectsAt, names, ours, origin, cpu }: ClientWorkOptions,
  settings: BenchSettings,
): Promise<CaseResult> {
  const title = `${work.size} x ${work.concurrency}, ${work.placement}`
  const started: StartedSubject[] = []
  const opened = new Map<string, number>()
  const measureOnce = async ({ name, client }: StartedSubject, job: ClientJob): Promise<Measurement> => {
    const before = await origin.connections()
    const report = await client.run(job)
    const after = await origin.connections()
    // All that this subject has opened so far: those of the warm-up are the ones that the rounds use.
    opened.set(name, (opened.get(name) ?? 0) + after - before)
    return { ...clientMeasurement(report), connections: opened.get(name) ?? 0 }
  }
  try {
    for (const subject of subjectsAt(work.concurrency)) {
      if (names.includes(subject.name)) {
        started.push(await startSubject(subject, origin, origin.tlsPort, cpu))
      }
    }
    const measurements = await runRounds<StartedSubject>({
      subjects: started,
      rounds: settings.rounds,
      async warmUp(subject) {
        await measureOnce(subject, jobFor(work, Math.min(settings.warmUpSeconds, MAX_SECONDS), 0))
      },
      measure: subject => measureOnce(subject, jobFor(work, Math.min(settings.seconds, MAX_SECONDS), 0.2)),
      onMeasured({ name }, round, measurement) {
        settings.log(
          `  ${title} round ${round + 1} ${name}: ${formatNumber(measurement['requestsPerCpuSecond'])} req/CPU-s, ${formatNumber(measurement['megabytesPerCpuSecond'])} MB/CPU-s, ${measurement['failures']} failed`,
        )
      },
    })
    const byName = new Map([...measurements].map(([{ name }, rounds]) => [name, rounds]))
    const result = summarizeCase(title, byName, work.metric, subject =>
      subject === ours ? [...byName.keys()] : [],
    )
    return { ...result, aims: judgeAims(result, work.aims) }
  } finally {
    for (const { client } of started) await client[Symbol.asyncDispose]()
  }
}

/**
 * Small bodies in the middle of a loop that runs; large ones whole, since a window of time would cut the
 * first and the last.
 */
function jobFor({ size, concurrency }: ClientWork, seconds: number, warmUpSeconds: number): ClientJob {
  const path = `/${size}`
  if (size === '200m') return { kind: 'whole', path, concurrency, seconds, requests: Number.MAX_SAFE_INTEGER }
  return { kind: 'steady', path, concurrency, seconds, warmUpSeconds }
}
