import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LaneName } from '../../src/base/http/lane.ts'
import { UNDECIDING } from '../../src/bench/clients/client-settings.ts'
import type { DispatchRequest } from '../../src/entry/dispatch.ts'
import type { Protocol, TransportEvent } from '../../src/index.ts'
import { driveTimed } from './drive-timed.ts'
import { CountingHandler, loadModule, type MiddlemileModule } from './middlemile-client.ts'
import { serveJobs } from './serve-jobs.ts'
import type { TimedDecision, TimedJob, TimedReport, TimedSetting } from './timed-job.ts'

/** A program: our transport in a process of its own, made anew for each job. Arguments: setting as JSON. */
const setting = JSON.parse(process.argv[2] ?? '{}') as TimedSetting // written by timed-client.ts
const module = await loadModule()

const MAX_DECISIONS = 100

serveJobs((job: TimedJob) => run(module, job))

async function run(
  { createTransport, parseOrigin, NO_HEADERS }: MiddlemileModule,
  job: TimedJob,
): Promise<TimedReport> {
  // Which lane carried a request only an observer hears: each has a path of its own by which it is found.
  const carried = new Map<string, { lane: LaneName; protocol: Protocol | undefined }>()
  const decisions: TimedDecision[] = []
  const observer = (event: TransportEvent): void => {
    if (event.type === 'exchange-ended') {
      carried.set(event.path, { lane: event.lane, protocol: event.protocol })
    } else if (event.type === 'decision' && decisions.length < MAX_DECISIONS) {
      const { lane, rule, because } = event.decision
      decisions.push({ afterRequests: carried.size, lane, rule, because })
    }
  }
  const { ca, resolve } = setting
  const held = job.protocols === undefined ? {} : { protocols: job.protocols, select: UNDECIDING }
  const transport = createTransport({
    defaults: { tls: { ca }, ...held },
    resolve,
    observer,
  })
  const origin = parseOrigin(setting.origin)
  const pathOf = (number: number): string => `${job.path}?${number}`
  const drive = driveTimed(job, (number, done) => {
    const request: DispatchRequest = { method: 'GET', path: pathOf(number), headers: NO_HEADERS, body: null }
    transport.dispatch(
      origin,
      request,
      new CountingHandler((bytes, error) =>
        done(error ?? (bytes === job.bytes ? undefined : new Error(`a body of ${bytes} bytes`))),
      ),
    )
  })
  const deadline = setTimeout(() => {
    drive.stop()
    void transport.close()
  }, job.deadlineSeconds * 1000)
  const ends = await drive.ended
  clearTimeout(deadline)
  await nextTurn() // the observer is notified of the last one behind its handler
  const connections = transport
    .stats()
    .pools.reduce((sum, { opened }) => sum + opened.full + opened.resumed + opened.earlyData, 0)
  await transport.close()
  const failed = ends.filter(({ error }) => error !== undefined)
  const first = failed[0]?.error
  return {
    requests: ends
      .filter(({ error }) => error === undefined)
      .map(({ number, ms, isLearning }) => {
        const by = carried.get(pathOf(number))
        return { ms, isLearning, lane: by?.lane, protocol: by?.protocol }
      }),
    failures: failed.length,
    firstFailure: first instanceof Error ? `${first.name}: ${first.message}` : undefined,
    connections,
    decisions,
  }
}
