import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ClientSetting } from './bench-client.ts'
import { type FromClient, parseFromClient, type ToClient } from './client-message.ts'
import type { LoadJob } from './load-job.ts'
import type { LoadReport } from './load-report.ts'

export interface StartClientOptions {
  /** URL of the compiled module that has the client: `new URL('./x.js', import.meta.url).href`. */
  readonly module: string
  /** Its export that is a MakeClient. */
  readonly make: string
  readonly setting: ClientSetting
  /** Stands before its command line: where it runs, or what ends it. */
  readonly prefix?: readonly string[]
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
  const { module, make, setting, prefix = [], cpu } = options
  const program = fileURLToPath(options.program ?? new URL('./client-process.js', import.meta.url))
  const pinned = cpu === undefined ? [] : ['taskset', '-c', String(cpu)]
  const [command, ...args] = [...pinned, ...prefix, process.execPath, program]
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced', // JSON has neither Infinity nor bytes
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const ask = async (message: ToClient | undefined, timeoutMs: number): Promise<FromClient> => {
    const answer = answerOf(child, timeoutMs)
    if (message !== undefined) child.send(message, error => error && child.kill('SIGKILL'))
    const told = await answer
    if (told.kind === 'failed') throw new Error(told.because)
    return told
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
      let told = await ask({ kind: 'run', job }, timeoutMs)
      if (told.kind === 'warm') {
        await onWarm?.()
        told = await ask({ kind: 'measure' }, timeoutMs)
      }
      if (told.kind === 'report') return told.report
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
