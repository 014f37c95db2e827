import type { ClientSetting, HandshakeCounts } from '../../src/bench/load/bench-client.ts'
import type { LoadJob } from '../../src/bench/load/load-job.ts'
import type { LoadReport } from '../../src/bench/load/load-tally.ts'
import { type StartedClient, startClient } from '../../src/bench/load/start-client.ts'
import type { LoadOrigin } from './load-origins.ts'

/** Where a MakeClient is: a compiled module and the name of its export. */
export interface ClientModule {
  readonly module: string
  readonly make: string
}

/** A client library with a setting and an origin, under the name that the tables have for it. */
export interface LoadSubject {
  readonly name: string
  readonly client: ClientModule
  /** One of the scenario's. */
  readonly origin: string
  readonly setting: Omit<ClientSetting, 'origins' | 'ca' | 'resolve' | 'stateDirectory'>
  /** Of its process, beside what ours has. */
  readonly environment?: Readonly<Record<string, string>>
  /** Its tickets outlive a client. */
  readonly keepsTickets: boolean
  /** What carries its requests, where its client can tell; another protocol makes it unfit. */
  readonly protocol?: 'h3' | 'h2' | 'http/1.1'
  /** How each of its connections has to begin: a figure of another one would be somebody else's. */
  readonly handshake?: 'full' | 'resumed' | 'earlyData'
  /** Left out of a quick run. */
  readonly isExtra: boolean
}

/** One whose process runs. */
export interface RunningSubject {
  readonly name: string
  readonly subject: LoadSubject
  readonly client: StartedClient
  /** Of its origin's processes, since they began. */
  originCpuMs(): number
  /** Asks once for each kind of request of a job. Undefined: it answers them as it should. */
  whyUnfit(job: LoadJob): Promise<string | undefined>
}

interface SubjectPlace {
  readonly origin: LoadOrigin
  /** PEM. */
  readonly ca: string
  readonly stateDirectory: string
  readonly prefix: readonly string[]
  readonly cpu: number | undefined
}

/** Starts its process. Rejects when the library cannot be loaded. */
export async function startSubjectClient(subject: LoadSubject, place: SubjectPlace): Promise<RunningSubject> {
  const { name, client: module, setting, environment, keepsTickets } = subject
  const { origin, ca, stateDirectory, prefix, cpu } = place
  const client = await startClient({
    ...module,
    setting: {
      ...setting,
      origins: origin.origins,
      resolve: origin.resolve,
      ca,
      ...(keepsTickets && { stateDirectory }),
    },
    prefix,
    ...(environment !== undefined && { environment }),
    cpu,
  })
  return {
    name,
    subject,
    client,
    originCpuMs: () => origin.cpuMs(),
    whyUnfit: job => whyUnfit(subject, client, job),
  }
}

/** No trial takes longer: one request of each kind on a path without delay. */
const TRIAL_SECONDS = 15

async function whyUnfit(
  { protocol }: LoadSubject,
  client: StartedClient,
  job: LoadJob,
): Promise<string | undefined> {
  let report: LoadReport
  for (const kind of job.requests) {
    // A slow reader would make a trial of minutes.
    const { readBytesPerSecond: _, ...request } = kind
    report = await client.run({
      ...job,
      requests: [request],
      arrival: { kind: 'closed', concurrency: 1 },
      warmUp: { requests: 0, seconds: 0 },
      measure: { requests: 1, seconds: TRIAL_SECONDS },
      client: 'fresh',
      deadlineSeconds: TRIAL_SECONDS,
    })
    if (report.failures > 0) return `${kind.label}: ${report.firstFailure ?? 'its request failed'}`
    const carriers = Object.keys(report.byProtocol)
    if (protocol !== undefined && carriers.some(carrier => carrier !== protocol))
      return `${kind.label} was carried by ${carriers.join(', ')}`
  }
  return undefined
}

/** What connections began as, if not as their subject says; undefined: as that, or it claims nothing. */
export function otherHandshakes(
  { handshake }: Pick<LoadSubject, 'handshake'>,
  opened: HandshakeCounts | undefined,
): string | undefined {
  if (handshake === undefined) return undefined
  if (opened === undefined) return `its handshakes are not known to be ${handshake}`
  const others = Object.entries(opened).filter(([kind, count]) => kind !== handshake && count > 0)
  if (others.length === 0) return undefined
  return `not ${handshake} but ${others.map(([kind, count]) => `${count} ${kind}`).join(', ')}`
}

const OURS = 'middlemile'

/**
 * With whom a subject is compared: at the same origin ours with every other library, and with our own
 * HTTP/1.1, or if that is not there our own HTTP/2.
 */
export function referencesOf(
  subjects: readonly { readonly name: string; readonly subject: LoadSubject }[],
): (name: string) => readonly string[] {
  return name => {
    const one = subjects.find(entry => entry.name === name)?.subject
    if (one === undefined || !isOurs(one)) return []
    const beside = subjects.map(({ subject }) => subject).filter(({ origin }) => origin === one.origin)
    const own = beside.filter(isOurs)
    const base =
      own.find(({ protocol }) => protocol === 'http/1.1') ?? own.find(({ protocol }) => protocol === 'h2')
    return beside
      .filter(other => other !== one && (!isOurs(other) || other === base))
      .map(other => other.name)
  }
}

/**
 * Of ours over HTTP/3: ours over TCP that begin their connections in the same way, at the same origin, or
 * where it has none of them at the others.
 */
export function http3RivalsOf(
  subjects: readonly { readonly name: string; readonly subject: LoadSubject }[],
): (name: string) => readonly string[] {
  return name => {
    const one = subjects.find(entry => entry.name === name)?.subject
    if (one === undefined || !isOurs(one) || one.protocol !== 'h3') return []
    const rivals = subjects
      .map(({ subject }) => subject)
      .filter(other => isOurs(other) && (other.protocol === 'h2' || other.protocol === 'http/1.1'))
      .filter(other => other.keepsTickets === one.keepsTickets)
      .filter(other => other.setting.earlyData === one.setting.earlyData)
    const beside = rivals.filter(({ origin }) => origin === one.origin)
    return (beside.length > 0 ? beside : rivals).map(other => other.name)
  }
}

function isOurs({ name }: LoadSubject): boolean {
  return name.startsWith(OURS)
}
