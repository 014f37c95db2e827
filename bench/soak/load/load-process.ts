import { createWriteStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { hash, payload } from '../payload.ts'
import { type PlannedOrigin, plannedOrigin } from '../plan.ts'
import { drawRequest, type LoadMessage, type LoadReport, type SoakJob, type Stall } from './load-job.ts'
import { LoadTally } from './load-tally.ts'
import { Http1Client, Http2Client, type SoakClient } from './soak-clients.ts'

const PERIOD_MS = 20
/** A timer that is less late is usual. */
const LEAST_STALL_MS = 100
const MAX_STALLS = 10

/** Notices when this process stands still, by a timer that is late. */
export class StallWatch {
  /** The longest first. */
  readonly stalls: Stall[] = []
  readonly #timer: NodeJS.Timeout
  #lastAt = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#check(), PERIOD_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #check(): void {
    const now = performance.now()
    const ms = now - this.#lastAt - PERIOD_MS
    this.#lastAt = now
    if (ms < LEAST_STALL_MS) return
    this.stalls.push({ endedAt: Date.now(), ms })
    this.stalls.sort((a, b) => b.ms - a.ms)
    if (this.stalls.length > MAX_STALLS) this.stalls.pop()
  }
}

/**
 * A program: the clients of the soak, in a process of their own. Its first message is the SoakJob; it reports
 * its progress once a second, and at the end a LoadReport. The message `stop` ends it early.
 */
process.once('message', (job: SoakJob) => void run(job))
process.once('disconnect', () => process.exit(0))

/** Streams that share one connection of HTTP/2. */
const STREAMS_PER_CONNECTION = 12

async function run(job: SoakJob): Promise<void> {
  const tally = new LoadTally()
  const answered = createWriteStream(job.answeredFile)
  const stalls = new StallWatch()
  const cpuBefore = process.cpuUsage()
  const beganAt = Date.now()
  let isStopped = false
  let started = 0
  process.on('message', message => {
    if (message === 'stop') isStopped = true
  })
  const isTimeUp = (): boolean => {
    const seconds = (Date.now() - beganAt) / 1_000
    if (job.seconds === 0 || seconds < job.seconds) return false
    return tally.requests >= job.leastRequests || seconds >= job.seconds * 4
  }
  /** Whether there is to be another request, which is counted at once. */
  const takesNext = (): boolean => {
    if (isStopped || isTimeUp() || (job.requests > 0 && started >= job.requests)) return false
    started++
    return true
  }
  const progress = setInterval(() => {
    send({
      type: 'progress',
      requests: tally.requests,
      failures: tally.failures.length + tally.failuresLeftOut,
    })
  }, 1_000)

  const clients: SoakClient[] = []
  const workers: Promise<void>[] = []
  let streams = 0
  let shared: Http2Client | undefined
  for (const name of job.origins) {
    const origin = plannedOrigin(name)
    const isFile = job.fileOrigins.includes(name)
    for (let i = 0; i < origin.http1Clients; i++) {
      const client = new Http1Client(job.http1Port, job.timeoutMs)
      clients.push(client)
      workers.push(work(origin, client, 'http/1.1', `${name}-${i}`, isFile))
    }
    for (let i = 0; i < origin.http2Streams; i++) {
      if (shared === undefined || streams % STREAMS_PER_CONNECTION === 0) {
        shared = new Http2Client(job.http2Port, job.timeoutMs)
        clients.push(shared)
      }
      streams++
      workers.push(work(origin, shared, 'h2', `${name}-s${i}`, isFile))
    }
  }
  await Promise.all(workers)
  clearInterval(progress)
  stalls.stop()
  await Promise.all(clients.map(client => client.close()))
  await new Promise<void>(resolve => void answered.end(resolve))
  const { user, system } = process.cpuUsage(cpuBefore)
  const report: LoadReport = {
    seconds: (Date.now() - beganAt) / 1_000,
    origins: tally.origins(),
    failures: tally.failures,
    failuresLeftOut: tally.failuresLeftOut,
    slowest: tally.slowest,
    cpuMs: (user + system) / 1_000,
    stalls: stalls.stalls,
  }
  send({ type: 'report', report })

  /** One client's requests to one origin, drawn from a seed of its own. */
  async function work(
    origin: PlannedOrigin,
    client: SoakClient,
    protocol: 'http/1.1' | 'h2',
    label: string,
    isFile: boolean,
  ): Promise<void> {
    const random = seededRandom(job.seed ^ hash(label))
    for (let i = 0; takesNext(); i++) {
      const request = drawRequest(origin, `${label}-${i}`, random)
      const startedAt = Date.now()
      const from = performance.now()
      const expected = expectedBody(request.method, request.id, request.answerBytes, isFile)
      const { outcome, leftAt, isNew } = await client.send(request, expected)
      const tookMs = performance.now() - from
      const leftMs = leftAt && leftAt - from
      tally.record({ origin: origin.name, request, protocol, startedAt, tookMs, leftMs, isNew }, outcome)
      if (request.method === 'POST' && outcome.kind === 'answered') answered.write(`${request.id}\n`)
      // What fails at once must not become a flood of its own.
      if (outcome.kind !== 'answered') await sleep(10)
      if (random() < origin.pauseShare) await sleep(random() * origin.pauseMs)
    }
  }
}

function expectedBody(method: string, id: string, bytes: number, isFile: boolean): Buffer | undefined {
  if (!isFile) return payload(id, bytes)
  return method === 'GET' || method === 'HEAD' ? payload('file', bytes) : undefined
}

function send(message: LoadMessage): void {
  process.send?.(message)
}
