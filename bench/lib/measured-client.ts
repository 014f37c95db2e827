import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'
import type { ClientJob, ClientReport, ClientSetting } from '../clients/client-job.ts'
import { answerOf, stopChild } from './child-answer.ts'

/** A client in a process of its own, pinned, that does one job at a time. */
export interface MeasuredClient extends AsyncDisposable {
  readonly name: string
  run(job: ClientJob): Promise<ClientReport>
}

type Answer = 'ready' | { report: ClientReport } | { failure: string }

export async function startMeasuredClient(
  name: string,
  setting: ClientSetting,
  cpu: number | undefined,
): Promise<MeasuredClient> {
  // The compiled program beside this file's folder.
  const program = fileURLToPath(new URL('../clients/client-process.js', import.meta.url))
  const line = [
    ...deathSignalPrefix(),
    ...cpuPrefix(cpu),
    process.execPath,
    program,
    name,
    JSON.stringify(setting),
  ]
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  await answerOf<Answer>(child)
  return {
    name,
    async run(job) {
      const answer = answerOf<Answer>(child)
      child.send(job)
      const message = await answer
      if (message !== 'ready' && 'report' in message) return message.report
      throw new Error(`${name}: ${message === 'ready' ? 'out of step' : message.failure}`)
    },
    [Symbol.asyncDispose]: () => stopChild(child),
  }
}
