import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cpuPrefix, deathSignalPrefix } from '../../../test/support/real-server.ts'
import { answerOf, stopChild } from './child-answer.ts'

/** A client in a process of its own, pinned, that does one job at a time. */
export interface ClientProgram<Job, Report> extends AsyncDisposable {
  run(job: Job): Promise<Report>
}

interface ClientProgramOptions {
  /** Of the compiled program in bench/clients/, without its ending. */
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
  // The compiled program beside this file's folder.
  const path = fileURLToPath(new URL(`../../clients/${program}.js`, import.meta.url))
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
