import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'
import type { TimedJob, TimedReport, TimedSetting } from '../clients/timed-job.ts'
import { answerOf, stopChild } from './child-answer.ts'

/** Our transport in a process of its own, pinned, that does one timed job at a time. */
export interface TimedClient extends AsyncDisposable {
  run(job: TimedJob): Promise<TimedReport>
}

type Answer = 'ready' | { report: TimedReport } | { failure: string }

/** `prefix` stands before its command line: where it runs. */
export async function startTimedClient(
  setting: TimedSetting,
  prefix: readonly string[],
  cpu: number | undefined,
): Promise<TimedClient> {
  // The compiled program beside this file's folder.
  const program = fileURLToPath(new URL('../clients/timed-client-process.js', import.meta.url))
  const line = [
    ...deathSignalPrefix(),
    ...cpuPrefix(cpu),
    ...prefix,
    process.execPath,
    program,
    JSON.stringify(setting),
  ]
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  await answerOf<Answer>(child)
  return {
    async run(job) {
      const answer = answerOf<Answer>(child)
      child.send(job)
      const message = await answer
      if (message !== 'ready' && 'report' in message) return message.report
      throw new Error(`timed client: ${message === 'ready' ? 'out of step' : message.failure}`)
    },
    [Symbol.asyncDispose]: () => stopChild(child),
  }
}
