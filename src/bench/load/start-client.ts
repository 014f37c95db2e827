import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ClientSetting } from './bench-client.ts'
import type { LoadJob } from './load-job.ts'
import type { LoadReport } from './load-tally.ts'

export interface StartClientOptions {
  /** URL of the compiled module that has the client. */
  readonly module: string
  /** Its export that is a MakeClient. */
  readonly make: string
  readonly setting: ClientSetting
  /** Stands before its command line: where it runs, or what ends it. */
  readonly prefix?: readonly string[]
  /** Beside what this process has in its environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** It is pinned to that CPU, by taskset(1). */
  readonly cpu?: number | undefined
  /** client-process.ts, compiled. Default: beside this file. */
  readonly program?: URL
}

/** One library's client in a process of its own, which does one job at a time and ends with us. */
export interface StartedClient extends AsyncDisposable {
  readonly pid: number
  /**
   * Rejects when the process fails or ends, and when it says nothing long after the job's deadline. `onWarm`:
   * the job's warm-up has ended, and its measurement begins when that resolves.
   */
  run(job: LoadJob, onWarm?: () => Promise<void>): Promise<LoadReport>
}

const START_MS = 30_000
/** Beyond the deadline of a job: closing, and a machine that is busy. */
const MARGIN_MS = 30_000

/** Resolves when its module is loaded. It runs from the build only, since Node 20 cannot run TypeScript. */
export async function startClient(options: StartClientOptions): Promise<StartedClient> {
  const { module, make, setting, prefix = [], environment, cpu } = options
  const program = fileURLToPath(options.program ?? new URL('./client-process.js', import.meta.url))
  const pinned = cpu === undefined ? [] : ['taskset', '-c', String(cpu)]
  const [command, ...args] = [...pinned, ...prefix, process.execPath, program]
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced', // JSON has neither Infinity nor bytes
    env: { ...process.env, ...environment, NODE_ENV: 'production' },
  })
  const ask = async (message: ToClient | undefined, timeoutMs: number): Promise<FromClient> => {
    const answer = answerOf(child, timeoutMs)
    if (message !== undefined) child.send(message, error => error && child.kill('SIGKILL'))
    const reply = await answer
    if (reply.kind === 'failed') throw new Error(reply.because)
    return reply
  }
  try {
    await ask(undefined, START_MS)
    await ask({ kind: 'start', module, make, setting }, START_MS)
  } catch (error) {
    await stop(child)
    throw error
  }
  return {
    pid: child.pid ?? -1,
    async run(job, onWarm) {
      const timeoutMs = job.deadlineSeconds * 1000 + MARGIN_MS
      let reply = await ask({ kind: 'run', job }, timeoutMs)
      if (reply.kind === 'warm') {
        await onWarm?.()
        reply = await ask({ kind: 'measure' }, timeoutMs)
      }
      if (reply.kind === 'report') return reply.report
      throw new Error(`${make}: out of step`)
    },
    [Symbol.asyncDispose]: () => stop(child),
  }
}

/** The next message; rejects when the process ends instead, or says nothing for so long. */
function answerOf(child: ChildProcess, timeoutMs: number): Promise<FromClient> {
  return new Promise((resolve, reject) => {
    const settle = (work: () => void): void => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      work()
    }
    const onMessage = (message: unknown): void =>
      settle(() => {
        try {
          resolve(parseFromClient(message))
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    const onExit = (code: number | null, signal: string | null): void =>
      settle(() => reject(new Error(`the client's process ended with ${code ?? signal}`)))
    const onError = (error: Error): void => settle(() => reject(error))
    const timer = setTimeout(
      () => settle(() => reject(new Error(`the client's process said nothing for ${timeoutMs} ms`))),
      timeoutMs,
    )
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
    if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode)
  })
}

/** What it started and put on disk is gone by then, unless it hangs. */
const END_MS = 1_000

/** Ends it, if it still runs, and waits for that. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
  await exited
  clearTimeout(timer)
}

/** What a client process receives, one at a time: first `start`, then jobs. */
export type ToClient =
  | {
      readonly kind: 'start'
      readonly module: string
      readonly make: string
      readonly setting: ClientSetting
    }
  | { readonly kind: 'run'; readonly job: LoadJob }
  /** The answer to `warm`. */
  | { readonly kind: 'measure' }

/**
 * Its answers. `ready` comes once by itself, for the channel, and once for `start`; `warm` before the report
 * of a job that has a warm-up, when that has ended.
 */
export type FromClient =
  | { readonly kind: 'ready' }
  | { readonly kind: 'warm' }
  | { readonly kind: 'report'; readonly report: LoadReport }
  | { readonly kind: 'failed'; readonly because: string }

/** Throws an Error for what is no message of ours: another version's, or another program's. */
export function parseToClient(message: unknown): ToClient {
  const fields = fieldsOf(message)
  if (fields['kind'] === 'start') {
    const { module, make, setting } = fields
    if (typeof module === 'string' && typeof make === 'string' && hasOrigins(setting))
      return { kind: 'start', module, make, setting }
  }
  if (fields['kind'] === 'run' && isJob(fields['job'])) return { kind: 'run', job: fields['job'] }
  if (fields['kind'] === 'measure') return { kind: 'measure' }
  throw new Error('the client process received what it does not understand')
}

/** The same the other way round. */
export function parseFromClient(message: unknown): FromClient {
  const { kind, report, because } = fieldsOf(message)
  if (kind === 'ready' || kind === 'warm') return { kind }
  if (kind === 'failed' && typeof because === 'string') return { kind, because }
  if (kind === 'report' && isReport(report)) return { kind, report }
  throw new Error('the client process said what nobody understands')
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function hasOrigins(value: unknown): value is ClientSetting {
  const { origins, connections } = fieldsOf(value)
  return Array.isArray(origins) && origins.length > 0 && typeof connections === 'number'
}

function isJob(value: unknown): value is LoadJob {
  const { requests, arrival, warmUp, measure, client, deadlineSeconds, seed } = fieldsOf(value)
  return (
    Array.isArray(requests) &&
    requests.length > 0 &&
    ['closed', 'open', 'bursts'].includes(String(fieldsOf(arrival)['kind'])) &&
    isLimit(warmUp) &&
    isLimit(measure) &&
    ['kept', 'fresh', 'each'].includes(String(client)) &&
    typeof deadlineSeconds === 'number' &&
    typeof seed === 'number'
  )
}

function isLimit(value: unknown): boolean {
  const { requests, seconds } = fieldsOf(value)
  return typeof requests === 'number' && typeof seconds === 'number'
}

function isReport(value: unknown): value is LoadReport {
  const { requests, failures, latency, firstByte, wallMs, cpuMs, objects } = fieldsOf(value)
  return (
    [requests, failures, wallMs, cpuMs].every(figure => typeof figure === 'number') &&
    [latency, firstByte].every(record => Array.isArray(fieldsOf(record)['buckets'])) &&
    Array.isArray(objects)
  )
}
