import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchClient, ClientJob, ClientReport } from './client-job.ts'

type Steady = Extract<ClientJob, { kind: 'steady' }>
type Burst = Extract<ClientJob, { kind: 'burst' }>

/** A closed loop: each of `concurrency` requests is followed by the next one as soon as it ended. */
export async function driveSteady(client: BenchClient, job: Steady): Promise<ClientReport> {
  let requests = 0
  let failures = 0
  let bytes = 0
  let running = job.concurrency
  let stopping = false
  let onIdle: () => void = () => undefined
  const idle = new Promise<void>(resolve => {
    onIdle = resolve
  })
  const next = (): void => {
    if (!stopping) client.send(job.path, onDone)
    else if (--running === 0) onIdle()
  }
  const onDone = (received: number, error?: unknown): void => {
    requests++
    bytes += received
    if (error === undefined) {
      next()
    } else {
      failures++
      // A failure may be reported from within send(): a loop of those must not overflow the stack or starve the process.
      setTimeout(next, 1)
    }
  }
  for (let i = 0; i < job.concurrency; i++) next()
  await sleep(job.warmUpSeconds * 1000)
  const before = { requests, failures, bytes, cpu: process.cpuUsage(), now: performance.now() }
  await sleep(job.seconds * 1000)
  const cpu = process.cpuUsage(before.cpu)
  const report = {
    requests: requests - before.requests,
    failures: failures - before.failures,
    bytes: bytes - before.bytes,
    cpuMs: (cpu.user + cpu.system) / 1000,
    wallMs: performance.now() - before.now,
    rssMiB: process.memoryUsage.rss() / 1024 ** 2,
  }
  stopping = true
  await idle
  return report
}

/** All at once through a client that was just made. */
export async function driveBurst(makeClient: () => Promise<BenchClient>, job: Burst): Promise<ClientReport> {
  const client = await makeClient()
  const now = performance.now()
  const cpuBefore = process.cpuUsage()
  let failures = 0
  let bytes = 0
  await Promise.all(
    Array.from(
      { length: job.requests },
      () =>
        new Promise<void>(resolve => {
          client.send(job.path, (received, error) => {
            bytes += received
            if (error !== undefined) failures++
            resolve()
          })
        }),
    ),
  )
  const cpu = process.cpuUsage(cpuBefore)
  const report = {
    requests: job.requests,
    failures,
    bytes,
    cpuMs: (cpu.user + cpu.system) / 1000,
    wallMs: performance.now() - now,
    rssMiB: process.memoryUsage.rss() / 1024 ** 2,
  }
  await client.close()
  return report
}
