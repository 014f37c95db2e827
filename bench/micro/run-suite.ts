import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { answerOf, stopChild } from '../lib/clients/child-answer.ts'
import type { RoundAnswer, SitesAnswer, SuiteJob } from './suite-process.ts'

/** A child that takes longer hangs. */
const MAX_MS = 60_000
const program = fileURLToPath(new URL('suite-process.js', import.meta.url))

type AnswerTo<Job extends SuiteJob> = Job['type'] extends 'round' ? RoundAnswer : SitesAnswer

/**
 * Does a job in a process of its own: where its memory lies, and what V8 has made of its code, is no other
 * round's.
 */
export async function runSuite<Job extends SuiteJob>(job: Job): Promise<AnswerTo<Job>> {
  const child = fork(program, [JSON.stringify(job)], {
    execArgv: ['--expose-gc'],
    timeout: MAX_MS,
    killSignal: 'SIGKILL',
  })
  try {
    return await answerOf<AnswerTo<Job>>(child)
  } finally {
    await stopChild(child)
  }
}
