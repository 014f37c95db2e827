import { systemClock } from '../../index.ts'
import type { MakeClient } from './bench-client.ts'
import { type FromClient, parseToClient, type ToClient } from './client-message.ts'
import { processCpuMs, rssMiB } from './own-usage.ts'
import { JobRunner } from './run-job.ts'

/** A program: one library's client in a process of its own, so that its CPU time is its own. It lives as long as its IPC channel. */
let runner: JobRunner | undefined

process.on('message', (message: unknown) => {
  answer(message).then(say, (error: unknown) =>
    say({ kind: 'failed', because: error instanceof Error ? error.message : String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
// A terminal's Ctrl-C reaches every process of the group. Whoever started us decides what becomes of the round.
process.on('SIGINT', () => {})
say({ kind: 'ready' })

async function answer(message: unknown): Promise<FromClient> {
  const told = parseToClient(message)
  if (told.kind === 'start') {
    runner = await start(told)
    return { kind: 'ready' }
  }
  if (runner === undefined) throw new Error('a job came before there was a client')
  return { kind: 'report', report: await runner.run(told.job) }
}

async function start({ module, make, setting }: Extract<ToClient, { kind: 'start' }>): Promise<JobRunner> {
  const exports = (await import(module)) as Record<string, unknown> // a namespace object
  const makeClient = exports[make]
  if (typeof makeClient !== 'function') throw new Error(`${module} has no client called ${make}`)
  return new JobRunner(() => (makeClient as MakeClient)(setting), {
    // its name says that it is one
    clock: systemClock,
    origins: setting.origins.length,
    cpuMs: processCpuMs,
    rssMiB,
  })
}

function say(message: FromClient): void {
  process.send?.(message)
}
