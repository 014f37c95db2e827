import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../entry/events.ts'
import type { ClientSetting, MakeClient } from './bench-client.ts'
import { JobRunner, type MakeOnShelf } from './job-runner.ts'
import { type FromClient, parseToClient, type ToClient } from './start-client.ts'

/** proc_pid_stat(5) counts in ticks; a hundred a second on every Linux that we know. */
const TICK_MS = 10

/**
 * User and system time of this process, all its threads, since it began, and of children that have ended
 * (those in ticks of 10 ms, on Linux). In ms.
 */
function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000 + childrenCpuMs()
}

/** What of this process is in memory now. */
function rssMiB(): number {
  return process.memoryUsage.rss() / 1024 ** 2
}

function childrenCpuMs(): number {
  let text: string
  try {
    text = readFileSync('/proc/self/stat', 'latin1')
  } catch {
    return 0
  }
  // The name stands in parentheses and may hold spaces: fields are counted from the last one, which ends
  // field 2. These are 16 and 17.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS
}

/**
 * A program: one library's client in a process of its own, so that its CPU time is its own. It lives as long
 * as its IPC channel.
 */
let runner: JobRunner | undefined
let measure: () => void = () => {}

process.on('message', (message: unknown) => {
  answer(message).then(say, (error: unknown) =>
    say({ kind: 'failed', because: error instanceof Error ? error.message : String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
// What clients have to leave in order, they do at the exit, which a signal alone would pass over.
process.on('SIGTERM', () => process.exit(143))
// A terminal's Ctrl-C reaches every process of the group. Whoever started us decides what becomes of the
// round.
process.on('SIGINT', () => {})
say({ kind: 'ready' })

/** Undefined: the answer is that of the job that goes on. */
async function answer(message: unknown): Promise<FromClient | undefined> {
  const order = parseToClient(message)
  if (order.kind === 'measure') {
    measure()
    return undefined
  }
  if (order.kind === 'start') {
    runner = await start(order)
    return { kind: 'ready' }
  }
  if (runner === undefined) throw new Error('a job came before there was a client')
  return { kind: 'report', report: await runner.run(order.job) }
}

async function start({ module, make, setting }: Extract<ToClient, { kind: 'start' }>): Promise<JobRunner> {
  const exports = (await import(module)) as Record<string, unknown> // a namespace object
  const makeClient = exports[make]
  if (typeof makeClient !== 'function') throw new Error(`${module} has no client called ${make}`)
  const makeOnShelf: MakeOnShelf = shelf => (makeClient as MakeClient)(onShelf(setting, shelf)) // by its name
  const surroundings = {
    clock: systemClock,
    origins: setting.origins.length,
    cpuMs: processCpuMs,
    rssMiB,
    onWarm: () =>
      new Promise<void>(resolve => {
        measure = resolve
        say({ kind: 'warm' })
      }),
  }
  return new JobRunner(makeOnShelf, surroundings, setting.stateDirectory !== undefined)
}

/**
 * Who takes the tickets of a directory has all of them until it ends: clients that live at the same time need
 * one each.
 */
function onShelf(setting: ClientSetting, shelf: number): ClientSetting {
  const { stateDirectory } = setting
  if (stateDirectory === undefined) return setting
  return { ...setting, stateDirectory: join(stateDirectory, String(shelf)) }
}

function say(message: FromClient | undefined): void {
  if (message !== undefined) process.send?.(message)
}
