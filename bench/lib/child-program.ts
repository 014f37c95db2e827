import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'

/** A client in a process of its own, pinned, that does one job at a time. */
export interface ClientProgram<Job, Report> extends AsyncDisposable {
  run(job: Job): Promise<Report>
}

interface ClientProgramOptions {
  /** Of the compiled program: its place in bench/, without its ending. */
  readonly program: string
  readonly args: readonly string[]
  /** Stands before its command line: where it runs. */
  readonly prefix?: readonly string[]
  readonly cpu: number | undefined
}

type Answer<Report> = 'ready' | { report: Report } | { failure: string }

/** Resolves when it is ready for jobs. */
export async function startClientProgram<Job extends object, Report>(
  options: ClientProgramOptions,
): Promise<ClientProgram<Job, Report>> {
  const { program, args, prefix = [], cpu } = options
  const path = fileURLToPath(new URL(`../${program}.js`, import.meta.url))
  const line = [...deathSignalPrefix(), ...cpuPrefix(cpu), ...prefix, process.execPath, path, ...args]
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  await answerOf<Answer<Report>>(child)
  return {
    async run(job) {
      const answer = answerOf<Answer<Report>>(child)
      child.send(job)
      const message = await answer
      if (message !== 'ready' && 'report' in message) return message.report
      throw new Error(`${program}: ${message === 'ready' ? 'out of step' : message.failure}`)
    },
    [Symbol.asyncDispose]: () => stopChild(child),
  }
}

/**
 * The next message of a child with an IPC channel; rejects when it ends instead. `Answer` is what its program
 * sends.
 */
export function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (work: () => void): void => {
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      work()
    }
    // as: the type parameter says so
    const onMessage = (message: unknown): void => settle(() => resolve(message as Answer))
    const onExit = (code: number | null): void =>
      settle(() => reject(new Error(`the client exited with ${code}`)))
    const onError = (error: Error): void => settle(() => reject(error))
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
  })
}

/** Kills it, if it still runs, and waits for its end. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
}

/**
 * Answers each message of the parent, which is a job, with its report or with why there is none. The process
 * lives as long as its IPC channel.
 */
export function serveJobs(run: (job: never) => Promise<object>): void {
  process.on('message', job => {
    run(job as never).then(
      // its parent sends what it takes
      report => process.send?.({ report }),
      (error: unknown) =>
        process.send?.({
          failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    )
  })
  process.once('disconnect', () => process.exit(0))
  process.send?.('ready')
}
