import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PoolStats } from '../../src/index.ts'
import { onProcessExit } from '../../test/support/cleanup.ts'
import { deathSignalPrefix } from '../../test/support/real-server.ts'
import type { SoakArguments } from './arguments.ts'
import { type Evidence, judgeFailures, type RuleCount } from './failure-rules.ts'
import { type FaultCounts, FaultSchedule } from './fault-schedule.ts'
import { startHangingResolver } from './hanging-resolver.ts'
import type { LoadMessage, LoadReport, SoakJob } from './load/load-job.ts'
import { Closers, NGINX_ORIGINS, startOrigins } from './origin/start-origins.ts'
import { HANGING_NAMES, type OriginName, SOAK_ORIGINS } from './plan.ts'
import { ProcessWatch, type WatchReport } from './process-watch.ts'
import type { SoakProxy, SoakProxyParts } from './proxies.ts'
import { type ConnectorLog, type OriginRecord, readConnectorLog, readOriginLog } from './soak-logs.ts'

/** What became of the POSTs, by their ids. */
export interface PostAccounts {
  /** The origin processed it more than once: a request that must not be repeated was. */
  readonly duplicates: readonly string[]
  /** The client got a 200, and no origin has processed it. */
  readonly lost: readonly string[]
  readonly processed: number
  readonly answered: number
}

/** `processed`: how many times each was processed; `answered`: those whose clients got a 200. */
export function accountForPosts(
  processed: readonly ReadonlyMap<string, number>[],
  answered: readonly string[],
): PostAccounts {
  const duplicates: string[] = []
  const seen = new Set<string>()
  let total = 0
  for (const counts of processed) {
    for (const [id, count] of counts) {
      total += count
      seen.add(id)
      if (count > 1) duplicates.push(id)
    }
  }
  return {
    duplicates,
    lost: answered.filter(id => !seen.has(id)),
    processed: total,
    answered: answered.length,
  }
}

/** Everything that one proxy's run has shown. */
export interface SoakResult {
  readonly proxy: string
  readonly load: LoadReport
  readonly rules: readonly RuleCount[]
  readonly posts: PostAccounts
  readonly faults: FaultCounts
  readonly process: WatchReport
  /** It ended by itself, with this. */
  readonly died: string | undefined
  /** Of the connector alone. */
  readonly pools: PoolsAtEnd | undefined
  readonly log: ConnectorLog | undefined
}

/** Longer than any time limit of the proxies for what the soak's origins do. */
const CLIENT_TIMEOUT_MS = 90_000

/** Runs the load and the faults through one proxy. Origins and proxy are started for it, and end with it. */
export async function soakSubject(
  startProxy: (parts: SoakProxyParts) => Promise<SoakProxy>,
  withHangingNames: boolean,
  directory: string,
  { seconds, requests, leastRequests, seed }: SoakArguments,
  onProgress: (requests: number, failures: number) => void,
): Promise<SoakResult> {
  await using running = new Closers()
  const origins = running.use(await startOrigins(directory, seed))
  const { addresses, certificates } = origins
  const resolver = withHangingNames ? running.use(await startHangingResolver(directory)) : undefined
  const proxy = running.use(await startProxy({ directory, addresses, certificates, resolver }))
  const asked = resolver === undefined ? SOAK_ORIGINS : [...SOAK_ORIGINS, HANGING_NAMES]
  const watch = new ProcessWatch(proxy.pid, [...new Set([proxy.http1Port, proxy.http2Port])], proxy.adminUrl)
  const schedule = new FaultSchedule(origins, seed)
  const answeredFile = join(directory, 'answered.log')
  const giveUp = new AbortController()
  schedule.start()
  running.add(() => schedule.stop()) // before the origins go that it starts again
  const load = await runLoad(
    {
      http1Port: proxy.http1Port,
      http2Port: proxy.http2Port,
      origins: asked.map(({ name }) => name),
      requests,
      leastRequests,
      seconds,
      seed,
      timeoutMs: CLIENT_TIMEOUT_MS,
      answeredFile,
      fileOrigins: NGINX_ORIGINS,
    },
    (done, failures) => {
      onProgress(done, failures)
      if (proxy.hasExited()) giveUp.abort()
    },
    giveUp.signal,
  )
  await schedule.stop()
  const died = proxy.hasExited() ? proxy.output().slice(-2_000) : undefined
  const pools =
    proxy.adminUrl === undefined || died !== undefined ? undefined : await untilPoolsIdle(proxy.adminUrl)
  const figures = await watch.report()
  await running[Symbol.asyncDispose]()

  const records = new Map<OriginName, OriginRecord>(
    SOAK_ORIGINS.map(({ name }) => [name, readOriginLog(origins.logFile(name))]),
  )
  const evidence: Evidence = {
    record: origin => records.get(origin) ?? { processed: new Map(), faults: new Map() },
    downtimes: schedule.downtimes,
    writes: origin => writesTo(load, origin),
  }
  return {
    proxy: proxy.name,
    load,
    rules: judgeFailures(load.failures, evidence),
    posts: accountForPosts(
      Array.from(records.values(), record => record.processed),
      readLines(answeredFile),
    ),
    faults: schedule.counts,
    process: figures,
    died,
    pools,
    log: proxy.logFile === undefined ? undefined : readConnectorLog(readFileSync(proxy.logFile, 'utf8')),
  }
}

function writesTo(load: LoadReport, origin: OriginName): number {
  const methods = load.origins.find(entry => entry.origin === origin)?.methods
  return (methods?.['POST'] ?? 0) + (methods?.['PUT'] ?? 0)
}

function readLines(file: string): string[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'latin1')
    .split('\n')
    .filter(line => line !== '')
}

/** Runs the clients in a process of their own until their report. Rejects when that ends without one. */
function runLoad(
  job: SoakJob,
  onProgress: (requests: number, failures: number) => void,
  signal: AbortSignal,
): Promise<LoadReport> {
  const program = fileURLToPath(new URL('./load/load-process.js', import.meta.url))
  const line = [...deathSignalPrefix(), process.execPath, program]
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const forget = onProcessExit(() => child.kill('SIGKILL'))
  const stop = (): void => void child.send('stop')
  signal.addEventListener('abort', stop, { once: true })
  return new Promise((resolve, reject) => {
    child.on('message', (message: LoadMessage) => {
      if (message.type === 'progress') onProgress(message.requests, message.failures)
      else {
        resolve(message.report)
        child.disconnect() // it ends with that
      }
    })
    child.once('error', reject)
    child.once('exit', (code, killedBy) => {
      forget()
      signal.removeEventListener('abort', stop)
      reject(new Error(`the clients ended with ${code ?? killedBy}`)) // too late when they have reported
    })
    child.send(job)
  })
}

type NamedPool = PoolStats & { readonly name: string | null }

/** What `/pools` shows when the load has ended. */
interface PoolsAtEnd {
  /** Nothing is leased and nobody waits. */
  readonly isIdle: boolean
  /** How long that took. */
  readonly idleAfterMs: number
  readonly pools: readonly PoolFigures[]
}

interface PoolFigures {
  readonly name: string
  readonly opened: number
  readonly connectFailures: number
  readonly requests: number
  readonly retries: number
  readonly open: number
  readonly leased: number
  readonly waiters: number
}

const PATIENCE_MS = 15_000

/** Waits until all pools are idle, for a time. */
async function untilPoolsIdle(adminUrl: string): Promise<PoolsAtEnd> {
  const from = performance.now()
  for (;;) {
    const pools = await readPools(adminUrl)
    const isIdle = pools.every(({ leased, waiters }) => leased === 0 && waiters === 0)
    const idleAfterMs = performance.now() - from
    if (isIdle || idleAfterMs > PATIENCE_MS) return { isIdle, idleAfterMs, pools }
    await sleep(100)
  }
}

async function readPools(adminUrl: string): Promise<PoolFigures[]> {
  const response = await fetch(`${adminUrl}/pools`, { signal: AbortSignal.timeout(10_000) })
  const { pools } = (await response.json()) as { pools: readonly NamedPool[] } // the page is ours
  return pools.map(({ name, origin, opened, connections, connectFailures, requests, retries, waiters }) => {
    const { full, resumed, earlyData, cleartext } = opened
    return {
      name: name ?? origin,
      opened: full + resumed + earlyData + cleartext,
      connectFailures,
      requests,
      retries,
      open: connections.idle + connections.leased + connections.draining,
      leased: connections.leased,
      waiters,
    }
  })
}
