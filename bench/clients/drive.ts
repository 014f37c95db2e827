import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchClient, ClientJob, ClientReport } from './client-job.ts'

type Steady = Extract<ClientJob, { kind: 'steady' }>
type Whole = Extract<ClientJob, { kind: 'whole' }>
type Burst = Extract<ClientJob, { kind: 'burst' | 'warm-burst' }>

/** A closed loop: each of `concurrency` requests is followed by the next one as soon as it ended. */
export async function driveSteady(client: BenchClient, job: Steady): Promise<ClientReport> {
  const loop = new Loop(client, job.path, Number.POSITIVE_INFINITY)
  loop.start(job.concurrency)
  await sleep(job.warmUpSeconds * 1000)
  const measured = loop.measure()
  await sleep(job.seconds * 1000)
  const report = measured()
  loop.stop()
  await loop.idle
  return report
}

/** The same loop, measured whole. */
export async function driveWhole(client: BenchClient, job: Whole): Promise<ClientReport> {
  const loop = new Loop(client, job.path, job.requests)
  const measured = loop.measure()
  loop.start(job.concurrency)
  const timer = setTimeout(() => loop.stop(), job.seconds * 1000)
  await loop.idle
  clearTimeout(timer)
  return measured()
}

/** All at once through a client that was just made. */
export async function driveBurst(makeClient: () => Promise<BenchClient>, job: Burst): Promise<ClientReport> {
  const client = await makeClient()
  const report = await sendAtOnce(client, job)
  await client.close()
  return report
}

/** All at once, twice: what the first one opened the second one finds. */
export async function driveWarmBurst(client: BenchClient, job: Burst): Promise<ClientReport> {
  await sendAtOnce(client, job)
  // The last credit and the last acknowledgements of the first burst are no part of the second.
  await sleep(200)
  return sendAtOnce(client, job)
}

async function sendAtOnce(client: BenchClient, { path, requests }: Burst): Promise<ClientReport> {
  const loop = new Loop(client, path, requests)
  const measured = loop.measure()
  loop.start(requests)
  await loop.idle
  return measured()
}

/** `concurrency` senders that take turns at one client until so many requests were begun, or until stop(). */
class Loop {
  readonly idle: Promise<void>
  readonly #client: BenchClient
  readonly #path: string
  #left: number
  #running = 0
  #onIdle: () => void = () => undefined
  #requests = 0
  #failures = 0
  #bytes = 0
  #firstFailure: string | undefined

  constructor(client: BenchClient, path: string, requests: number) {
    this.#client = client
    this.#path = path
    this.#left = requests
    this.idle = new Promise<void>(resolve => {
      this.#onIdle = resolve
    })
  }

  start(concurrency: number): void {
    this.#running = concurrency
    for (let i = 0; i < concurrency; i++) this.#next()
  }

  stop(): void {
    this.#left = 0
  }

  /** Counts from now on. The function that it returns makes the report. */
  measure(): () => ClientReport {
    const before = { requests: this.#requests, failures: this.#failures, bytes: this.#bytes }
    const now = performance.now()
    const cpuBefore = process.cpuUsage()
    return () => {
      const cpu = process.cpuUsage(cpuBefore)
      return {
        requests: this.#requests - before.requests,
        failures: this.#failures - before.failures,
        bytes: this.#bytes - before.bytes,
        cpuMs: (cpu.user + cpu.system) / 1000,
        wallMs: performance.now() - now,
        rssMiB: process.memoryUsage.rss() / 1024 ** 2,
        firstFailure: this.#firstFailure,
      }
    }
  }

  readonly #next = (): void => {
    if (this.#left > 0) {
      this.#left--
      this.#client.send(this.#path, this.#onDone)
    } else if (--this.#running === 0) {
      this.#onIdle()
    }
  }

  readonly #onDone = (received: number, error?: unknown): void => {
    this.#requests++
    if (error === undefined) {
      this.#bytes += received
      this.#next()
      return
    }
    this.#failures++
    this.#firstFailure ??= error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error)
    // A failure may be reported from within send(): a loop of those must not overflow the stack or starve the
    // process.
    setTimeout(this.#next, 1)
  }
}
